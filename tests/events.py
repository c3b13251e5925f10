"""The newest event, as tests compare it."""

from app.audit.models import Event
from app.vocabulary import EventName


def newest_event() -> tuple[EventName, str, str, str]:
    """Return name, actor, subject and organisation of the newest event."""
    event = _newest()
    return event.name, event.by, event.subject, event.organisation


def newest_person() -> str:
    """Return the public id of the person whose facts the newest event changes."""
    return str(_newest().person)


def _newest() -> Event:
    return Event.select().order_by(Event.revision.desc()).get()
