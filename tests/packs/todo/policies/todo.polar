# A todo of the Todo scenario of AuthZEN.
# Editors work on their own ones; admins delete any, and an evil genius changes any.

resource Todo {
  permissions = ["can_create_todo", "can_delete_todo", "can_read_todos", "can_update_todo"];
}

# intended: unconditional-grant: the scenario says that every user reads
has_permission(_person: Person, "can_read_todos", _todo: Todo);

has_permission(person: Person, "can_create_todo", _todo: Todo) if
  "admin" in person.properties.roles or
  "editor" in person.properties.roles;

has_permission(person: Person, "can_update_todo", todo: Todo) if
  "evil_genius" in person.properties.roles or
  edits_own(person, todo);

has_permission(person: Person, "can_delete_todo", todo: Todo) if
  "admin" in person.properties.roles or
  edits_own(person, todo);

# Helper: an editor, and a todo of theirs.
edits_own(person: Person, todo: Todo) if
  "editor" in person.properties.roles and
  person.properties.email matches String and
  todo.properties.ownerID = person.properties.email;
