"""Writing events down."""

from typing import Any

from app.audit.models import Event
from app.kernel import clock
from app.kernel.database import change
from app.vocabulary import EventName

OPERATOR = "operator"
"""Whoever sits at the command line of the machine."""
GUEST = "guest"
"""Somebody who has not signed in."""


@change
def record(name: EventName, *, by: str, subject: str, organisation: str = "", **details: Any) -> int:
    """Write that `name` happened to `subject` (`kind:ID`), by `by`, and return its number, the revision.

    Called inside the operation that makes the change, so both are kept or neither. `details` are plain JSON
    values without secrets, passwords or e-mail addresses.
    """
    event = Event.create(at=clock.now(), name=name, by=by, subject=subject, organisation=organisation, details=details)
    return int(event.revision)
