"""Public ids: they never change and reveal nothing."""

import secrets

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 20


def new_public_id() -> str:
    """Return 20 characters (99 bits) that are safe in addresses and cannot be mistaken when read aloud."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
