# A client is a program that asks for decisions, with a key.
# Only the operator takes a key back or replaces it.

resource Client {
  permissions = ["end", "rotate"];
  roles = ["operator"];

  "end" if "operator";
  "rotate" if "operator";
}

# intended: unconditional-grant: whoever has the command line has the machine
has_role(_operator: Operator, "operator", _client: Client);
