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
  roles = ["manager", "operator"];
  relations = { organisation: Organisation };

  "change_roles" if "manager";
  "change_roles" if "operator";
  "read" if "exams_officer" on "organisation";
  "remove" if "manager";
  "remove" if "operator";
}

has_relation(organisation: Organisation, "organisation", membership: Membership) if
  membership.organisation = organisation;

# No one changes their own access, so that every change has a second pair of eyes.
has_role(person: Person, "manager", membership: Membership) if
  membership.person != person and
  has_role(person, "exams_officer", membership.organisation);

# What can be done next depends on the state of the membership.
has_permission(person: Person, "suspend", membership: Membership) if
  membership.state = "active" and
  has_role(person, "manager", membership);

has_permission(person: Person, "reactivate", membership: Membership) if
  membership.state = "suspended" and
  has_role(person, "manager", membership);

# Only a person who has not activated their account has an invitation to send again or take back.
has_permission(person: Person, "resend_invitation", membership: Membership) if
  membership.person.state = "invited" and
  has_role(person, "manager", membership);

has_permission(person: Person, "cancel_invitation", membership: Membership) if
  membership.person.state = "invited" and
  has_role(person, "manager", membership);

# At the command line, the operator helps where no exams officer can.
# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _membership: Membership);

has_permission(_operator: Operator, "suspend", membership: Membership) if
  membership.state = "active";

has_permission(_operator: Operator, "reactivate", membership: Membership) if
  membership.state = "suspended";

has_permission(_operator: Operator, "resend_invitation", membership: Membership) if
  membership.person.state = "invited";

# Helper: a membership counts while it and its organisation are active.
membership_in_force(membership: Membership) if
  membership.state = "active" and
  membership.organisation.state = "active";
