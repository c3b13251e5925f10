"""Who belongs to which organisation, which roles they hold there, and for how long."""
