# The portal is what everybody signs in to.
# Any person with an active account may sign in; a guest may ask for an account.

resource Portal {
  permissions = ["create_account", "see_home", "sign_in"];
  roles = ["guest", "person"];

  "create_account" if "guest";
  "see_home" if "person";
  "sign_in" if "person";
}

# intended: unconditional-grant: every visitor who is not signed in
has_role(_guest: Guest, "guest", _portal: Portal);

# intended: unconditional-grant: main.polar lets in active accounts only
has_role(_person: Person, "person", _portal: Portal);
