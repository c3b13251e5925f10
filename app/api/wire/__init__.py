"""Messages: the values that requests become, their schemas, and how answers are written. Knows no HTTP."""
