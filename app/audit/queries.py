"""Queries of events and of logged decisions."""

import re
from collections.abc import Iterator
from datetime import datetime
from time import monotonic, sleep
from typing import Any

from app.audit import decision_store, journal
from app.audit.decision_codec import DecisionRecord, record_of, unpack, unpack_text
from app.audit.models import Event
from app.kernel.database import database

_DECISION_ID = re.compile(r"([a-z0-9]+)-([0-9]{1,18})(?:\.([1-9][0-9]{0,8}))?", re.ASCII)
"""Writer, number of the request, and the position in it if it was a batch."""
_JOURNAL_SECONDS = 0.3
"""How long a decision may be on its way into the journal: longer than a process that is killed may lose."""
_LOOK_SECONDS = 0.02


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


def event_ends() -> tuple[datetime, datetime] | None:
    """Return when the oldest and the newest event were recorded; None before the first."""
    moments = [Event.select(Event.at).order_by(order).limit(1).scalar() for order in (Event.at.asc(), Event.at.desc())]
    return None if None in moments else (moments[0], moments[1])


def events_after(revision: int) -> Iterator[tuple[str, str, str]]:
    """Return name, subject and person (public id or nothing) of every event with a later number, in order."""
    query = Event.select(Event.name, Event.subject, Event.person).where(Event.revision > revision)
    rows: Any = query.order_by(Event.revision).tuples()
    return iter(rows)


def find(decision_id: str) -> DecisionRecord | None:
    """Return the decision that was answered under this id, or None if it is not in the log.

    A decision that was just answered here may be on its way into the journal, which is waited for. One that was
    answered on another machine is found once it was moved from there, some seconds later.
    """
    match = _DECISION_ID.fullmatch(decision_id)
    if match is None:
        return None
    writer, number, position = match[1], int(match[2]), int(match[3] or 1)
    deadline = monotonic() + _JOURNAL_SECONDS
    while True:
        # In this order: what is not in the journal any more has been moved by then.
        found = _in_journal(decision_id, writer, number, position) or _in_store(decision_id, writer, number, position)
        if found or monotonic() > deadline or not any(map(journal.is_in_use, journal.segments(writer))):
            return found
        sleep(_LOOK_SECONDS)


def _in_journal(decision_id: str, writer: str, number: int, position: int) -> DecisionRecord | None:
    for path in journal.segments(writer):
        frames = list(journal.frames(path))
        if any(number in frame.withdrawn for frame in frames):
            return None
        references = [reference for frame in frames for reference in frame.references]
        for frame in frames:
            if frame.size and frame.first <= number <= frame.last:
                packed = unpack_text(frame.entries, references, number, position)
                if packed is not None:
                    steps = {digest: steps for frame in frames for digest, _policy, steps in frame.paths}
                    found = steps.get(packed.path or "")
                    return record_of(decision_id, packed, found and [(one, other) for one, other in found])
    return None


def _in_store(decision_id: str, writer: str, number: int, position: int) -> DecisionRecord | None:
    for payload in decision_store.find_rows(writer, number):
        packed = unpack(payload, number, position)
        if packed is not None:
            steps = None if packed.path is None else decision_store.find_steps(packed.path)
            return record_of(decision_id, packed, steps)
    return None
