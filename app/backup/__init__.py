"""Backups: one file with everything that a portal has stored, and putting it back."""
