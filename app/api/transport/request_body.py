"""Reads the body of a request from the WSGI environment, with bounds. Knows WSGI, not Flask."""

from typing import TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from app.api.errors import CompressedBodyError, InvalidRequestError, TooLargeError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_BODY = 64 * 1024
"""In bytes. A usual request has a few hundred."""
JSON = "application/json"
_LENGTH_DIGITS = len(str(LARGEST_BODY))
_UTF_8 = frozenset({"utf-8", "utf8", "ascii", "us-ascii"})
"""What means UTF-8; text in ASCII is text in UTF-8. Python's own list of names keeps every wrong one for ever."""


def read_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body of a request.

    Raises `TooLargeError`, and `InvalidRequestError` for a body that is not whole.
    """
    declared = "" if "HTTP_TRANSFER_ENCODING" in environ else environ.get("CONTENT_LENGTH", "")
    if declared.isascii() and declared.isdigit() and len(declared) <= _LENGTH_DIGITS and int(declared) <= LARGEST_BODY:
        # Nearly always so, and many times quicker than what werkzeug puts around the stream for the other cases.
        plain: bytes = environ["wsgi.input"].read(int(declared))
        if len(plain) < int(declared):
            raise InvalidRequestError("The body is shorter than its Content-Length says.")
        return plain
    try:
        # One byte more than we take: of a body without a declared length the stream silently drops what exceeds it.
        raw = get_input_stream(environ, max_content_length=LARGEST_BODY + 1).read()
    except RequestEntityTooLarge:
        raw = None
    except ClientDisconnected:
        raise InvalidRequestError("The body is shorter than its Content-Length says.") from None
    if raw is None or len(raw) > LARGEST_BODY:
        raise TooLargeError(f"The body is larger than {LARGEST_BODY:,} bytes.")
    return raw


def check_encoding(encoding: str) -> None:
    """Raise `CompressedBodyError` for a body that has a content encoding."""
    if encoding.strip().lower() not in ("", "identity"):
        raise CompressedBodyError("The body is compressed, which is not read here: send it as it is.")


def check_content_type(content_type: str | None) -> None:
    """Raise `InvalidRequestError` for a content type that is not JSON in UTF-8."""
    kind, options = parse_options_header(content_type)
    if kind.lower() != JSON:
        raise InvalidRequestError("Send the body with Content-Type: application/json.")
    if options.get("charset", "utf-8").strip().lower().replace("_", "-") not in _UTF_8:
        raise InvalidRequestError("The body must be UTF-8.")
