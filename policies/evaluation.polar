# An evaluation is a question that a client puts to the decision service.
# A client asks about the kinds of thing that it has declared, and only those of its own service; it registers such
# things, too. Services and roles are told apart by their names; any other kind belongs to one service with all its
# things, as no client can be added that declares a kind of another service.

resource Evaluation {
  permissions = ["ask", "register"];
  roles = ["asker"];

  "ask" if "asker";
  "register" if "asker";
}

has_role(client: Client, "asker", evaluation: Evaluation) if
  evaluation.kind in client.kinds and
  client.service != nil and
  evaluation.service = client.service;
