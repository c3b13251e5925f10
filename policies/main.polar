# Every decision starts here, as allow(actor, action, resource, context).
# An actor that is not in good standing gets no further, whatever the other files say.

# oso knows these two with three arguments; ours have the context of the request as a fourth.
type allow(_actor: Actor, _action, _resource, _context: Context);
type has_permission(_actor: Actor, _permission: String, _resource: Resource, _context: Context);

actor Person {}
actor Client {}
actor Guest {}
# Whoever works at the command line of the portal: they hold the machine, and answer for what they do there.
actor Operator {}
# What only a pack declares, such as a device or an agent.
actor Subject {}

allow(person: Person, action, resource, context: Context) if
  person.state = "active" and
  permits(person, action, resource, context);

allow(client: Client, action, resource, context: Context) if
  client.state = "active" and
  permits(client, action, resource, context);

allow(operator: Operator, action, resource, context: Context) if
  permits(operator, action, resource, context);

allow(subject: Subject, action, resource, context: Context) if
  permits(subject, action, resource, context);

allow(guest: Guest, action, resource, context: Context) if
  permits(guest, action, resource, context);

# A permission either holds in every context, or depends on the context of the request.
permits(actor, action, resource, _context: Context) if
  has_permission(actor, action, resource);

permits(actor, action, resource, context: Context) if
  has_permission(actor, action, resource, context);
