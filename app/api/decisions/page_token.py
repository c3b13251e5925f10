"""Page tokens: where a search continues, signed, and valid for the very same search only."""

import hashlib
from typing import NamedTuple

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from app.api.errors import InvalidRequestError
from app.api.wire.requests import SearchRequest
from app.api.wire.schemas.search import DEFAULT_LIMIT, LARGEST_LIMIT
from app.authz.information.cache import Caller
from app.runtime import settings


class PageStart(NamedTuple):
    """The candidate after which a page starts, and how many results it may have."""

    after: str
    limit: int
    sent: int | None = None
    """The limit that the caller sent with the first page."""


def start_of_page(caller: Caller, request: SearchRequest) -> PageStart:
    """Return where `request` of `caller` starts. Raises `InvalidRequestError` for a token of another search."""
    after, limit, sent = "", DEFAULT_LIMIT, request.limit
    if request.token:
        try:
            search, after, limit, sent = _serializer().loads(request.token)
        except (BadData, ValueError):
            raise InvalidRequestError("page.token is invalid or was not issued by this server.") from None
        if search != _digest(caller, request):
            raise InvalidRequestError(
                "page.token belongs to another search: repeat all that you sent with the first one."
            )
        if request.limit not in (None, sent):
            raise InvalidRequestError("page.limit must be what it was for the first page, or be left out.")
    elif request.limit is not None:
        limit = min(request.limit, LARGEST_LIMIT)
    return PageStart(after, limit, sent)


def token_for(caller: Caller, request: SearchRequest, start: PageStart) -> str:
    """Return the token with which the same search continues at `start`; a limit of 0 becomes the default."""
    return str(_serializer().dumps([_digest(caller, request), start.after, start.limit or DEFAULT_LIMIT, start.sent]))


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(settings().secret_key, salt="place in a search")


def _digest(caller: Caller, request: SearchRequest) -> str:
    # What is searched for has no name in the evaluation, so it tells the three searches apart.
    evaluation = msgspec.structs.replace(request.evaluation, at_least_revision=0)
    content = msgspec.json.encode([caller.reference, evaluation], order="sorted")
    return hashlib.sha256(content).hexdigest()[:32]
