# A service is what a tile opens.
# Everybody may know the live ones; only a role in force opens one, and working for the operator is no role.

resource Service {
  permissions = ["change", "change_state", "launch", "read"];
  roles = ["operator", "visitor"];

  "change" if "operator";
  "change_state" if "operator";
  "read" if "visitor";
}

# The catalogue is no secret, but what is hidden or retired does not exist for anybody.
has_role(_person: Person, "visitor", service: Service) if
  service.state = "live";

# A role opens its service only now, and only through a place at an organisation in good standing.
has_permission(person: Person, "launch", service: Service, context: Context) if
  service.state = "live" and
  membership in person.memberships and
  membership_in_force(membership) and
  acting_at(context, membership.organisation) and
  grant in membership.grants and
  grant.role.service = service and
  grant.in_force = true;

# Helper: the organisation that the person acts in, or every one of theirs if none was chosen.
acting_at(context: Context, _organisation: Organisation) if
  context.organisation = nil;

acting_at(context: Context, organisation: Organisation) if
  context.organisation = organisation;

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _service: Service);
