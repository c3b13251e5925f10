"""Reading a JSON body strictly, from callers who may mean harm.

What two readers could understand differently is refused (I-JSON, RFC 7493): a decision must be about what was asked.
Knows WSGI, not Flask.
"""

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from app.api.errors import UNREAD, ApiError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST_BODY = 64 * 1024
"""In bytes. A question takes a few hundred."""
DEEPEST = 32
"""How many brackets may be open at once."""
_JSON = "application/json"
_LARGEST_INTEGER = 2**53 - 1
_LENGTH_DIGITS = len(str(LARGEST_BODY))
_DIGITS = len(str(_LARGEST_INTEGER))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_BESIDE_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))

# A whole string, or one bracket. Possessive, and a string that never ends is one match too, so this is linear.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body of a request, for `parse_object`.

    Raises `ApiError`: 413 for a body that is too large, 400 for one that is not whole.
    """
    declared = "" if "HTTP_TRANSFER_ENCODING" in environ else environ.get("CONTENT_LENGTH", "")
    if declared.isascii() and declared.isdigit() and len(declared) <= _LENGTH_DIGITS and int(declared) <= LARGEST_BODY:
        # Nearly always so, and many times quicker than what werkzeug puts around the stream for the other cases.
        plain: bytes = environ["wsgi.input"].read(int(declared))
        if len(plain) < int(declared):
            _refuse("The body is shorter than its Content-Length says.")
        return plain
    try:
        # One byte more than we take: of a body without a declared length the stream silently drops what exceeds it.
        raw = get_input_stream(environ, max_content_length=LARGEST_BODY + 1).read()
    except RequestEntityTooLarge:
        raw = None
    except ClientDisconnected:
        _refuse("The body is shorter than its Content-Length says.")
    if raw is None or len(raw) > LARGEST_BODY:
        raise ApiError(413, f"The body is larger than {LARGEST_BODY:,} bytes.", headers=UNREAD)
    return raw


def parse_object(raw: bytes, content_type: str | None) -> dict[str, Any]:
    """Return the JSON object in `raw`. Raises `ApiError` 400 for whatever is not exactly one of good form."""
    if content_type != _JSON:
        _check_content_type(content_type)
    text = _text_of(raw)
    if not _is_plainly_shallow(raw):
        _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"The body is not valid JSON: look at line {error.lineno}, column {error.colno}.")
    if not isinstance(value, dict):
        _refuse("The body must be a JSON object.")
    # UTF-8 itself holds no surrogates: only an escape can bring one in.
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_content_type(content_type: str | None) -> None:
    kind, options = parse_options_header(content_type)
    if kind.lower() != _JSON:
        raise ApiError(400, "Send the body with Content-Type: application/json.")
    if options.get("charset", "utf-8").lower() != "utf-8":
        raise ApiError(400, "The body must be UTF-8.")


def _text_of(raw: bytes) -> str:
    if not raw:
        _refuse("The body is empty: send a JSON object.")
    if raw.startswith(_BYTE_ORDER_MARK):
        _refuse("The body starts with a byte order mark: send UTF-8 without one.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    # UTF-16 without its mark decodes as UTF-8 with a NUL at every other place, and no JSON holds one.
    if "\0" in text:
        _refuse("The body must be UTF-8.")
    return text


def _is_plainly_shallow(raw: bytes) -> bool:
    """Return whether the brackets of `raw` nest no deeper than they may, if that is quickly told."""
    if b"\\" in raw:
        return False
    # Without escapes, every bracket stands outside the strings exactly if only even runs of quotes lie between.
    brackets = raw.translate(_BRACES_AS_BRACKETS, _BESIDE_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        return False
    for _ in range(DEEPEST):
        # Takes the innermost pairs away, and so exactly one level.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return False


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        piece = match[0]
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        if depth > DEEPEST:
            _refuse(f"The body is nested deeper than {DEEPEST} levels.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("The body gives a member twice in one object.")
    return members


def _integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > _DIGITS or abs(int(digits)) > _LARGEST_INTEGER:
        _refuse("The body holds a number that is too large.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        _refuse("The body holds a number that is too large.")
    return number


def _constant(name: str) -> NoReturn:
    _refuse(f"The body holds {name}, which is not JSON.")


def _check_surrogates(value: dict[str, Any]) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        _refuse("The body holds a lone surrogate, which is half a character.")


def _refuse(sentence: str) -> NoReturn:
    raise ApiError(400, sentence)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
