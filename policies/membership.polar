# A membership is a person at an organisation.
# The organisation's exams officers see all of them and change all but their own.

resource Membership {
  permissions = [
    "cancel_invitation",
    "change_roles",
    "reactivate",
    "read",
    "remove",
    "resend_invitation",
    "suspend"
  ];
  roles = ["manager"];
  relations = { organisation: Organisation };

  "change_roles" if "manager";
  "read" if "exams_officer" on "organisation";
  "remove" if "manager";
}

has_relation(organisation: Organisation, "organisation", membership: Membership) if
  membership.organisation = organisation;

# Nobody changes their own access, so that every change has a second pair of eyes.
has_role(person: Person, "manager", membership: Membership) if
  membership.person != person and
  has_role(person, "exams_officer", membership.organisation);

# What can be done next depends on where the membership stands.
has_permission(person: Person, "suspend", membership: Membership) if
  membership.state = "active" and
  has_role(person, "manager", membership);

has_permission(person: Person, "reactivate", membership: Membership) if
  membership.state = "suspended" and
  has_role(person, "manager", membership);

# Only somebody who has not come in yet has an invitation to send again or take back.
has_permission(person: Person, "resend_invitation", membership: Membership) if
  membership.person.state = "invited" and
  has_role(person, "manager", membership);

has_permission(person: Person, "cancel_invitation", membership: Membership) if
  membership.person.state = "invited" and
  has_role(person, "manager", membership);

# Helper: a place at an organisation counts while both are in good standing.
membership_in_force(membership: Membership) if
  membership.state = "active" and
  membership.organisation.state = "active";
