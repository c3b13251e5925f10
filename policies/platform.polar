# The platform is what the operator's staff look after.
# A staff role gives access to this and nothing else: to no service, and to no school's people.

resource Platform {
  permissions = ["add_organisation", "list_organisations", "read_decisions"];
  roles = ["auditor", "support"];

  "add_organisation" if "support";
  "list_organisations" if "auditor";
  "list_organisations" if "support";
  "read_decisions" if "auditor";
  "read_decisions" if "support";
}

has_role(person: Person, role: String, _platform: Platform) if
  role in person.staff_roles;
