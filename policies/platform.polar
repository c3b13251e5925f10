# The platform is what the operator's staff look after.
# A staff role gives access to this and nothing else: to no service, and to no school's people.

resource Platform {
  permissions = [
    "add_client",
    "add_organisation",
    "add_service",
    "add_staff",
    "list_organisations",
    "read_decisions"
  ];
  roles = ["auditor", "operator", "support"];

  "add_client" if "operator";
  "add_organisation" if "operator";
  "add_organisation" if "support";
  "add_service" if "operator";
  "add_staff" if "operator";
  "list_organisations" if "auditor";
  "list_organisations" if "support";
  "read_decisions" if "auditor";
  "read_decisions" if "support";
}

has_role(person: Person, role: String, _platform: Platform) if
  role in person.staff_roles;

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _platform: Platform);
