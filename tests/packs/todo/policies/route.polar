# A route of the API behind the gateway, by its pattern; the action is the method.

resource Route {
  permissions = ["DELETE", "GET", "POST", "PUT"];
}

has_permission(_person: Person, "GET", route: Route) if
  route.id in ["/users/{userId}", "/todos"];

has_permission(person: Person, "POST", route: Route) if
  route.id = "/todos" and
  ("admin" in person.properties.roles or "editor" in person.properties.roles);

has_permission(person: Person, "PUT", route: Route) if
  route.id = "/todos/{todoId}" and
  ("evil_genius" in person.properties.roles or "editor" in person.properties.roles);

has_permission(person: Person, "DELETE", route: Route) if
  route.id = "/todos/{todoId}" and
  ("admin" in person.properties.roles or "editor" in person.properties.roles);
