"""Who holds which role, where, and for how long."""
