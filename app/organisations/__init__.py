"""Organisations, who belongs to them, and who has been invited."""
