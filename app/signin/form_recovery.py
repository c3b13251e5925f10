"""Form recovery: what a person had typed when their session ended, kept while they sign in again.

It travels with the pages, signed, and only the person who typed it gets it back; the server stores nothing.
"""

from typing import NamedTuple

from flask import request
from itsdangerous import BadData, URLSafeTimedSerializer

from app.accounts.models import Person
from app.runtime import settings

_LASTS_SECONDS = 3600
_LONGEST = 50_000
"""In characters; the largest of our forms, filled in, has a third of them."""


class Kept(NamedTuple):
    """A form that was sent to `path`, with the names and values of its fields."""

    path: str
    fields: list[tuple[str, str]]


def keep(person: Person, path: str) -> str:
    """Return the form of this request as a text to give to `kept_for`; empty if there is nothing that can be kept."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    if not any(value for _name, value in fields) or any("password" in name for name, _value in fields):
        return ""
    text = str(_serializer().dumps([person.public_id, path, fields]))
    return text if len(text) <= _LONGEST else ""


def kept_for(person: Person, text: str) -> Kept | None:
    """Return the form in `text`; None if it is too old, another's than `person`'s, or not made by `keep`."""
    try:
        public_id, path, fields = _serializer().loads(text, max_age=_LASTS_SECONDS)
    except BadData:
        return None
    return Kept(path, [(name, value) for name, value in fields]) if public_id == person.public_id else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings().secret_key, salt="kept")
