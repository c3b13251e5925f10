"""From a WSGI request to the body of its answer, for the fast path and the views alike."""

import json
import logging
import re
import secrets
from collections.abc import Mapping
from time import thread_time
from typing import TYPE_CHECKING

from app.api.handlers import Handler
from app.api.problems import problem_of
from app.api.transport.authentication import authenticate
from app.api.transport.request_body import JSON, check_content_type, check_encoding, read_body
from app.api.wire.strict_json import parse_object
from app.kernel.outage import is_outage, note_outage
from app.runtime import current

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A tab is white space that a header may hold.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_LONG_BODY = 4_096
"""In bytes. A single question of a few hundred is usual."""
_log = logging.getLogger(__name__)


def answer(handler: Handler, environ: "WSGIEnvironment") -> bytes:
    """Return the body that `handler` answers a request with.

    The body of the request is read before its key is looked up: a client may take its time to send it, and an answer
    includes every change that was made before the question was complete. Raises `RequestError`.
    """
    raw = read_body(environ)
    caller = authenticate(environ.get("HTTP_AUTHORIZATION", ""))
    # As `paid` does, with fewer calls: this is what clients ask thousands of times a second. To read what is refused in
    # the end costs as much.
    buckets, started = current().token_buckets, thread_time()
    buckets.take(caller.reference, 1)
    try:
        if "HTTP_CONTENT_ENCODING" in environ:
            check_encoding(environ["HTTP_CONTENT_ENCODING"])
        content_type = environ.get("CONTENT_TYPE")
        if content_type != JSON:
            check_content_type(content_type)
        at_least = environ.get("HTTP_TESSERA_AT_LEAST")
        if len(raw) <= _LONG_BODY:
            return handler(caller, parse_object(raw), at_least)
        with buckets.in_turn(caller.reference):
            return handler(caller, parse_object(raw), at_least)
    finally:
        buckets.charge_since(started, caller.reference)


def problem_response(error: Exception, address: str) -> tuple[int, bytes, Mapping[str, str]]:
    """Return status, body and headers of the answer to a request that ended in `error` at `address`."""
    problem = problem_of(error)
    if problem is not None:
        if is_outage(error):
            note_outage(error)
        return problem.status, problem_body(problem.message), problem.headers
    number = secrets.token_hex(4)
    _log.error("error %s at %s: %s", number, address, type(error).__name__, exc_info=error)
    message = f"Something went wrong here. Take it as a no, and ask again. Error number: {number}."
    return 500, problem_body(message), {}


def problem_body(message: str) -> bytes:
    """Return a message about what went wrong."""
    return json.dumps({"message": message}).encode()


def can_be_sent_back(request_id: str) -> bool:
    """Return whether HTTP can carry the id of a request, whatever it holds (AuthZEN 1.0, section 10.1.4)."""
    return not _CONTROL_CHARACTERS.search(request_id)
