"""People who work for the operator, and their roles."""
