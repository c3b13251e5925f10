# An organisation is a school or college whose people use the services.
# Its exams officers manage its people, and nobody else's.

resource Organisation {
  permissions = ["act_in", "add_person", "list_people", "read"];
  roles = ["exams_officer", "member"];

  "act_in" if "member";
  "add_person" if "exams_officer";
  "list_people" if "exams_officer";
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
