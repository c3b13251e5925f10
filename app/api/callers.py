"""Who calls: a client proves itself with its key."""

from app.api.errors import ApiError
from app.services.models import Client
from app.services.queries import client_with_key

_LONGEST_KEY = 200


def client_of(authorization: str) -> Client:
    """Return the client whose key an `Authorization` header carries.

    Raises `ApiError` 401 with one and the same sentence for a missing, malformed, unknown or ended key: whoever
    guesses learns nothing from the difference.
    """
    scheme, _space, key = authorization.strip().partition(" ")
    client = None
    if scheme.lower() == "bearer" and 0 < len(key.strip()) <= _LONGEST_KEY:
        client = client_with_key(key.strip())
    if client is None or client.ended_at is not None:
        raise ApiError(
            401,
            "Send the key of your service as Authorization: Bearer <key>. There was none, or it does not work.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return client
