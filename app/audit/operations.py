"""Records events, and stores answered decisions."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from peewee import Expression

from app.audit import queries
from app.audit.decision_codec import Steps
from app.audit.models import DecisionBatch, DecisionPath, Event
from app.kernel import clock
from app.kernel.change_feed import CHANNEL
from app.kernel.database import BaseModel, appending, change, database, is_postgresql, notify
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


def store_decisions(
    writer: str,
    *,
    first: int,
    last: int,
    started_at: datetime,
    ended_at: datetime,
    payload: bytes,
    paths: Mapping[str, tuple[str, Steps]],
) -> None:
    """Store a batch of answered decisions, and those paths (policy and steps, by digest) that are not stored yet.

    A batch with the same beginning replaces one that is stored already: after a lost connection the first try may have
    arrived, and more decisions may have been added since. No event is written, as nothing changes.
    """
    # In one order, so that no two writers block each other.
    rows = [
        {"digest": digest, "policy": policy, "steps": steps, "used_at": ended_at}
        for digest, (policy, steps) in sorted(paths.items())
    ]
    with appending():
        if rows:
            DecisionPath.insert_many(rows).on_conflict(
                conflict_target=[DecisionPath.digest], preserve=[DecisionPath.used_at]
            ).execute()
        DecisionBatch.insert(
            writer=writer, first=first, last=last, started_at=started_at, ended_at=ended_at, payload=payload
        ).on_conflict(
            conflict_target=[DecisionBatch.writer, DecisionBatch.first],
            preserve=[DecisionBatch.last, DecisionBatch.started_at, DecisionBatch.ended_at, DecisionBatch.payload],
        ).execute()


def delete_decisions(before: datetime, *, limit: int) -> int:
    """Delete at most `limit` batches of decisions from before a moment, and return how many were deleted.

    Paths that nothing else refers to are deleted too. No event is written: how long decisions are stored is a setting.
    """
    with appending():
        deleted = _delete_some(DecisionBatch, DecisionBatch.ended_at < before, limit)
        # The use of a path is noted once an hour.
        _delete_some(DecisionPath, DecisionPath.used_at < before - timedelta(days=1), limit)
    return deleted


def delete_events(before: datetime, *, limit: int) -> int:
    """Delete at most `limit` events from before a moment, but never the newest, and return how many were deleted.

    How long events are kept is a setting. A cache that knows of none later than these reads everything anew.
    """
    with appending():
        old = Event.select(Event.revision).where(Event.at < before, Event.revision < queries.revision())
        some = old.order_by(Event.revision).limit(limit)
        return int(Event.delete().where(Event.revision.in_(some)).execute())


def _delete_some(model: type[BaseModel], condition: Expression, limit: int) -> int:
    some = model.select(model.id).where(condition).order_by(model.id).limit(limit)
    return int(model.delete().where(model.id.in_(some)).execute())
