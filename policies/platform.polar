# The platform is what the operator's staff look after.
# Being staff opens this room and nothing else: no service, no school's people.

resource Platform {
  permissions = ["add_organisation", "list_organisations"];
  roles = ["auditor", "catalogue", "policy_author", "support"];

  "add_organisation" if "support";
  "list_organisations" if "auditor";
  "list_organisations" if "support";
}

has_role(person: Person, role: String, _platform: Platform) if
  role in person.staff_roles;
