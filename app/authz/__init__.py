"""The one room that knows Polar: facts in, decisions and their reasons out."""
