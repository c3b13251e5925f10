# A person is a human with an account.
# What is theirs alone nobody else reads or changes here, but for a name that the operator puts right.

resource Person {
  permissions = [
    "change_details",
    "change_password",
    "change_staff_roles",
    "change_state",
    "learn_about",
    "read",
    "sign_out"
  ];
  roles = ["operator", "self"];

  "change_details" if "operator";
  "change_details" if "self";
  "change_password" if "self";
  "change_staff_roles" if "operator";
  "change_state" if "operator";
  "read" if "self";
  "sign_out" if "operator";
}

has_role(person: Person, "self", account: Person) if
  person = account;

# A program learns about those who hold or held a role of its service, at the organisation that it asks about, and about
# nobody else: not even that they have an account.
# intended: unchecked-state: a role that has ended is still one that the service knows of
has_permission(client: Client, "learn_about", person: Person, context: Context) if
  membership in person.memberships and
  acting_at(context, membership.organisation) and
  grant in membership.grants and
  grant.role.service = client.service;

# A pack's directory holds nobody but the people of the pack.
has_permission(client: Client, "learn_about", _person: Person) if
  client.knows_everybody = true;

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _account: Person);
