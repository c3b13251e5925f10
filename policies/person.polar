# A person is a human with an account.
# What is theirs alone (name, password) nobody else reads or changes here.

resource Person {
  permissions = ["change_details", "change_password", "learn_about", "read"];
  roles = ["self"];

  "change_details" if "self";
  "change_password" if "self";
  "read" if "self";
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
