"""Questions about what happened."""

from peewee import fn

from app.audit.models import Event


def revision() -> int:
    """Return the number of the newest event, 0 before the first."""
    return int(Event.select(fn.MAX(Event.revision)).scalar() or 0)
