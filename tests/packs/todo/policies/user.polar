# A user of the Todo scenario, by e-mail address.

resource User {
  permissions = ["can_read_user"];
}

# intended: unconditional-grant: the scenario says that every user is read by every user
has_permission(_person: Person, "can_read_user", _user: User);
