type allow(_actor, _action, _resource, _context);
allow(person: Person, "x", record, _context) if
  person.public_id in record.properties.tags;
