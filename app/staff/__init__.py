"""Who works for the operator, and in which role."""
