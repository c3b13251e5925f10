"""Who calls: a client proves itself with its key."""

from app.api.errors import ApiError
from app.authz import cache
from app.authz.cache import Caller
from app.kernel.tokens import hash_token

_LONGEST_KEY = 200


def client_of(authorization: str) -> Caller:
    """Return the client whose key an `Authorization` header carries.

    Raises `ApiError` 401 with one and the same sentence for a missing, malformed, unknown or ended key: whoever
    guesses learns nothing from the difference. Nor from the time: a key is looked up by its hash, so how much of it is
    right does not matter, and one that has ended takes the same way to the database as one that never was.
    """
    scheme, _space, key = authorization.strip().partition(" ")
    client = None
    if scheme.lower() == "bearer" and 0 < len(key.strip()) <= _LONGEST_KEY:
        client, _revision = cache.current().gather(lambda view: view.caller(hash_token(key.strip())))
    if client is None:
        raise ApiError(
            401,
            "Send the key of your service as Authorization: Bearer <key>. There was none, or it does not work.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return client
