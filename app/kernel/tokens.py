"""Secrets that travel: links, session ids and client keys. Only their hashes are stored.

The secrets are 256 random bits, so a plain SHA-256 is enough to store them (ASVS 5.0, 11.4.1 asks for
slow hashes only for what a human chose).
"""

import hashlib
import secrets


def new_token() -> str:
    """Return a new secret, safe in an address."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the form in which `token` may be stored and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
