"""Queries of events and of logged decisions."""

import re
from collections.abc import Iterator
from typing import Any

from app.audit.decision_codec import DecisionRecord, Steps, record_of, unpack
from app.audit.models import DecisionBatch, DecisionPath, Event
from app.kernel.database import database

_DECISION_ID = re.compile(r"([a-z0-9]+)-([0-9]{1,18})(?:\.([1-9][0-9]{0,8}))?", re.ASCII)
"""Writer, number of the request, and the position in it if it was a batch."""


def revision() -> int:
    """Return the number of the newest event, 0 before the first."""
    # Called very often, and peewee takes longer to write this than the database to answer it.
    (newest,) = database.execute_sql("select max(revision) from event").fetchone()
    return int(newest or 0)


def changes() -> tuple[int, int]:
    """Return the number of the newest event, and how many changes were made without one."""
    row = database.execute_sql("select (select max(revision) from event), number from unrecorded_changes").fetchone()
    return int(row[0] or 0), int(row[1])


def is_recorded(revision: int) -> bool:
    """Return whether this database holds the event with this number; 0 is before the first."""
    return revision == 0 or Event.select().where(Event.revision == revision).exists()


def events_after(revision: int) -> Iterator[tuple[str, str, str]]:
    """Return name, subject and person (public id or nothing) of every event with a later number, in order."""
    query = Event.select(Event.name, Event.subject, Event.person).where(Event.revision > revision)
    rows: Any = query.order_by(Event.revision).tuples()
    return iter(rows)


def find(decision_id: str) -> DecisionRecord | None:
    """Return the decision that was answered under this id, or None if it is not in the log.

    A decision is found once its batch has been stored, at most 200 milliseconds after the answer.
    """
    match = _DECISION_ID.fullmatch(decision_id)
    if match is None:
        return None
    writer, number, position = match[1], int(match[2]), int(match[3] or 1)
    batches = DecisionBatch.select(DecisionBatch.payload).where(
        DecisionBatch.writer == writer, DecisionBatch.first <= number, DecisionBatch.last >= number
    )
    for batch in batches:
        packed = unpack(bytes(batch.payload), number, position)
        if packed is not None:
            return record_of(decision_id, packed, _steps(packed.path))
    return None


def _steps(digest: str | None) -> Steps | None:
    path = DecisionPath.get_or_none(DecisionPath.digest == digest)
    return None if path is None else [(question, answer) for question, answer in path.steps]
