"""Fixtures: what a database begins with, read from files and loaded."""
