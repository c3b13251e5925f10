"""Authenticates the client of a request by its key."""

from app.api.errors import UnauthenticatedError
from app.authz.information.cache import Caller
from app.runtime import current

_LONGEST_KEY = 200


def authenticate(authorization: str) -> Caller:
    """Return the client whose key an `Authorization` header carries.

    Raises `UnauthenticatedError` with one message for a missing, malformed, unknown or ended key: an attacker who
    guesses learns nothing from the difference. Nor from the time: a key is looked up by a digest, so how much of it is
    right does not matter, and one that has ended takes the same way to the database as one that never existed.
    """
    scheme, _space, key = authorization.strip().partition(" ")
    key = key.strip()
    caller = None
    if scheme.lower() == "bearer" and 0 < len(key) <= _LONGEST_KEY:
        view = current().view
        view.freshness.renew()
        caller = view.caller(key)
    if caller is None:
        raise UnauthenticatedError(
            "Send the key of your service as Authorization: Bearer <key>. There was none, or it does not work."
        )
    return caller
