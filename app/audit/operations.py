"""Records events, and deletes old ones."""

import secrets
from datetime import datetime
from typing import Any

from app.audit import queries
from app.audit.models import Event
from app.kernel import clock
from app.kernel.change_feed import CHANNEL
from app.kernel.database import appending, change, database, is_postgresql, notify
from app.vocabulary import EventName

OPERATOR = "operator"
"""The operator at the command line."""
GUEST = "guest"
"""A visitor who has not signed in."""
NONCE_BITS = 23
"""How many bits of a revision are random. Of the 53 that JSON keeps exactly, the others number a thousand million."""


@change
def record(name: EventName, *, by: str, subject: str, organisation: str = "", person: str = "", **details: Any) -> int:
    """Record that `name` happened to `subject` (`kind:ID`), by `by`, and return the number of the event, the revision.

    `person` is the public id of the person whose memberships, grants or state have changed; a subject `person:ID` names
    them as well. Called inside the operation that makes the change, so both are stored or neither. `details` are plain
    JSON values without secrets, passwords or e-mail addresses.
    """
    kind, _, subject_id = subject.partition(":")
    revision = next_revision(queries.revision())
    Event.create(
        revision=revision,
        at=clock.now(),
        name=name,
        by=by,
        subject=subject,
        organisation=organisation,
        person=subject_id if kind == "person" else person,
        details=details,
    )
    if is_postgresql():
        # An earlier release, which may still run, has the sequence number its events.
        database.execute_sql("select setval('event_revision_seq', %s)", (revision,))
    notify(CHANNEL)
    return revision


def next_revision(newest: int) -> int:
    """Return a revision that follows `newest`.

    Its lower bits are random. After a backup was restored, or a standby took over that had not received everything,
    other events follow than those that were lost; counted alone, both would make the same revisions, and what a cache
    or a caller knows of one would be taken for the other.
    """
    return ((newest >> NONCE_BITS) + 1 << NONCE_BITS) | secrets.randbits(NONCE_BITS)


def delete_events(before: datetime, *, limit: int) -> int:
    """Delete at most `limit` events from before a moment, but never the newest, and return how many were deleted.

    How long events are kept is a setting. A cache that knows of none later than these reads everything anew.
    """
    with appending():
        old = Event.select(Event.revision).where(Event.at < before, Event.revision < queries.revision())
        some = old.order_by(Event.revision).limit(limit)
        return int(Event.delete().where(Event.revision.in_(some)).execute())
