"""Who calls, and with what: a client proves itself with its key."""

from typing import TYPE_CHECKING

from app.api.errors import ApiError
from app.api.transport.json_body import parse_object, read_body
from app.api.wire.request_reader import Body
from app.authz.information import cache
from app.authz.information.cache import Caller
from app.kernel.tokens import hash_token

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LONGEST_KEY = 200


def asked(environ: "WSGIEnvironment") -> tuple[Caller, Body, str | None]:
    """Return who asks what, and how fresh the answer has to be.

    The body is read first: somebody may take their time to send it, and an answer knows of everything that was changed
    before its question was all there. Raises `ApiError`.
    """
    raw = read_body(environ)
    caller = client_of(environ.get("HTTP_AUTHORIZATION", ""))
    return caller, parse_object(raw, environ.get("CONTENT_TYPE")), environ.get("HTTP_TESSERA_AT_LEAST")


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
