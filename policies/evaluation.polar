# An evaluation is a question that a client asks the decision API.
# A client asks about the types of resources that it has declared, and only those of its own service; it may register
# such resources, too. The name of a service or role says to which service it belongs; any other type belongs to one
# service, because no client can be added that declares a type of another service. A client without a service may ask
# about nothing, because what is missing equals nothing else.

resource Evaluation {
  permissions = ["ask", "register"];
  roles = ["asker"];

  "ask" if "asker";
  "register" if "asker";
}

has_role(client: Client, "asker", evaluation: Evaluation) if
  evaluation.kind in client.kinds and
  evaluation.service = client.service;
