# A role is something that can be ticked for a person at one organisation.
# Giving it and taking it away are one permission: a person who may not give a role may not take it either.

resource Role {
  permissions = ["change", "change_state", "give", "use"];
  roles = ["operator"];

  "change" if "operator";
  "change_state" if "operator";
  "give" if "operator";
}

# The board keeps some roles to itself, and a role at no organisation cannot be given.
has_permission(person: Person, "give", role: Role) if
  role.officers_may_give = true and
  has_role(person, "exams_officer", role.organisation);

# A person acts in a role that they hold now, while its service is open, at the organisation asked about, or at any if
# none is named.
has_permission(person: Person, "use", role: Role, context: Context) if
  open_for_use(role) and
  membership in person.memberships and
  membership_in_force(membership) and
  acting_at(context, membership.organisation) and
  grant in membership.grants and
  grant.role.slug = role.slug and
  grant.in_force = true;

# Helper: the portal's own roles are always open; those of a service are while it is live.
open_for_use(role: Role) if
  role.service = nil;

open_for_use(role: Role) if
  role.service != nil and
  role.service.state = "live";

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _role: Role);
