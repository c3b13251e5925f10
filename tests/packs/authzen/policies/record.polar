# A record is what the certification scenario of AuthZEN asks about.
# Everybody reads; those who are no admins write what is active, and admins what is archived.

resource Record {
  permissions = ["delete", "read", "write"];
  roles = ["reader"];

  "read" if "reader";
}

# intended: unconditional-grant: the scenario says that everybody reads
has_role(_person: Person, "reader", _record: Record);

has_permission(person: Person, "write", record: Record) if
  record.properties.status = "active" and
  is_no_admin(person);

has_permission(person: Person, "write", record: Record) if
  record.properties.status = "archived" and
  person.properties.role = "admin";

# Of most people no role is told.
is_no_admin(person: Person) if
  person.properties.role = nil;

is_no_admin(person: Person) if
  person.properties.role matches String and
  person.properties.role != "admin";

# What is deleted softly can be brought back.
has_permission(_person: Person, "delete", _record: Record, context: Context) if
  context.action.soft = true;
