"""Tessera: the portal of an exam board, and the authorisation service behind it."""
