"""What happened: events, whose numbers are the revisions, and the decisions that callers were given."""
