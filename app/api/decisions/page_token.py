"""Where a search goes on: a token that says it, signed, and good for the very same search alone."""

import hashlib
import json
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from app.api.errors import ApiError
from app.api.wire.schemas.search import DEFAULT_LIMIT, LARGEST_LIMIT, SearchRequest
from app.authz.information.cache import Caller
from app.config import settings


class Place(NamedTuple):
    """After which candidate to go on, and how many results to give."""

    after: str
    limit: int


def place_of(client: Caller, request: SearchRequest) -> Place:
    """Return where `request` of `client` begins. Raises `ApiError` 400 for a token of something else."""
    after, limit = "", DEFAULT_LIMIT
    if request.token:
        try:
            search, after, limit = _serializer().loads(request.token)
        except BadData:
            raise ApiError(400, "page.token is none that was given out here.") from None
        if search != _digest(client, request):
            raise ApiError(400, "page.token belongs to another search: repeat all that you sent with the first one.")
    if request.limit is not None:
        limit = min(request.limit, LARGEST_LIMIT)
    return Place(after, limit)


def token_for(client: Caller, request: SearchRequest, place: Place) -> str:
    """Return the token that makes the same search go on at `place`; whoever wanted no results goes on as usual."""
    return str(_serializer().dumps([_digest(client, request), place.after, place.limit or DEFAULT_LIMIT]))


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(settings().secret_key, salt="place in a search")


def _digest(client: Caller, request: SearchRequest) -> str:
    # What is sought has no name in the question, so it tells the three searches apart.
    question = request.question._replace(at_least_revision=0)
    content = json.dumps([client.reference, question], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
