"""Questions about what happened."""

from collections.abc import Iterator
from typing import Any

from peewee import fn

from app.audit.models import Event


def revision() -> int:
    """Return the number of the newest event, 0 before the first."""
    return int(Event.select(fn.MAX(Event.revision)).scalar() or 0)


def events_after(revision: int) -> Iterator[tuple[str, str, str]]:
    """Return name, subject and person (public id or nothing) of every event with a later number, in order."""
    query = Event.select(Event.name, Event.subject, Event.person).where(Event.revision > revision)
    rows: Any = query.order_by(Event.revision).tuples()
    return iter(rows)
