"""Fixtures: the initial content of a database, read from files and loaded."""
