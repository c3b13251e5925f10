"""From a WSGI request to the body of its answer, for the fast path and the views alike."""

import json
import logging
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.api.errors import InvalidRequestIdError
from app.api.handlers import Handler
from app.api.problems import problem_of
from app.api.transport.authentication import authenticate
from app.api.transport.request_body import JSON, check_content_type, read_body
from app.api.wire.strict_json import parse_object

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LONGEST_REQUEST_ID = 200
"""In characters. The ids that are in use have 36 or so."""

_log = logging.getLogger(__name__)


def answer(handler: Handler, environ: "WSGIEnvironment") -> bytes:
    """Return the body that `handler` answers a request with.

    The body of the request is read before its key is looked up: a client may take its time to send it, and an answer
    includes every change that was made before the question was complete. Raises `RequestError`.
    """
    raw = read_body(environ)
    caller = authenticate(environ.get("HTTP_AUTHORIZATION", ""))
    content_type = environ.get("CONTENT_TYPE")
    if content_type != JSON:
        check_content_type(content_type)
    return handler(caller, parse_object(raw), environ.get("HTTP_TESSERA_AT_LEAST"))


def problem_response(error: Exception, address: str) -> tuple[int, bytes, Mapping[str, str]]:
    """Return status, body and headers of the answer to a request that ended in `error` at `address`."""
    problem = problem_of(error)
    if problem is not None:
        return problem.status, problem_body(problem.message), problem.headers
    number = secrets.token_hex(4)
    _log.error("error %s at %s: %s", number, address, type(error).__name__, exc_info=error)
    message = f"Something went wrong here. Take it as a no, and ask again. Error number: {number}."
    return 500, problem_body(message), {}


def problem_body(message: str) -> bytes:
    """Return a message about what went wrong."""
    return json.dumps({"message": message}).encode()


def check_request_id(request_id: str) -> None:
    """Raise `InvalidRequestIdError` for an id that cannot be sent back unchanged."""
    if not is_request_id(request_id):
        raise InvalidRequestIdError(
            f"X-Request-ID must have at most {LONGEST_REQUEST_ID} characters, all of printable ASCII."
        )


def is_request_id(request_id: str) -> bool:
    """Return whether the id of a request can be sent back unchanged.

    An empty one may be what the web server makes of one that is not ASCII.
    """
    return 0 < len(request_id) <= LONGEST_REQUEST_ID and request_id.isascii() and request_id.isprintable()
