# A person is a human with an account.
# What is theirs alone (name, password) nobody else reads or changes here.

resource Person {
  permissions = ["change_details", "change_password", "read"];
  roles = ["self"];

  "change_details" if "self";
  "change_password" if "self";
  "read" if "self";
}

has_role(person: Person, "self", account: Person) if
  person = account;
