# The portal is the door that everybody comes through.
# Any person in good standing comes in; somebody who is nobody yet may ask for an account.

resource Portal {
  permissions = ["create_account", "see_home", "sign_in"];
  roles = ["guest", "person"];

  "create_account" if "guest";
  "see_home" if "person";
  "sign_in" if "person";
}

has_role(_guest: Guest, "guest", _portal: Portal);

has_role(_person: Person, "person", _portal: Portal);
