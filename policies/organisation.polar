# An organisation is a school or college whose people use the services.
# Its exams officers manage its people, and nobody else's.

resource Organisation {
  permissions = ["act_in", "add_person", "change", "change_state", "list_people", "merge", "read"];
  roles = ["exams_officer", "member", "operator"];

  "act_in" if "member";
  "add_person" if "exams_officer";
  "add_person" if "operator";
  "change" if "operator";
  "change_state" if "operator";
  "list_people" if "exams_officer";
  "merge" if "operator";
  "read" if "member";
}

has_role(person: Person, "member", organisation: Organisation) if
  membership in person.memberships and
  membership.organisation = organisation and
  membership_in_force(membership);

has_role(person: Person, "exams_officer", organisation: Organisation) if
  membership in person.memberships and
  membership.organisation = organisation and
  membership_in_force(membership) and
  grant in membership.grants and
  grant.role.slug = "portal:user-management" and
  grant.in_force = true;

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _organisation: Organisation);
