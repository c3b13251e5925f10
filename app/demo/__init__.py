"""The demo: a large invented crowd, and the hints that the terminal prints."""
