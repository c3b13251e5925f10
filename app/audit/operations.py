"""Writing events and answered decisions down."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from peewee import Expression

from app.audit.decision_codec import Steps
from app.audit.models import DecisionBatch, DecisionPath, Event
from app.kernel import clock
from app.kernel.change_feed import CHANNEL
from app.kernel.database import BaseModel, appending, change, notify
from app.vocabulary import EventName

OPERATOR = "operator"
"""Whoever sits at the command line of the machine."""
GUEST = "guest"
"""Somebody who has not signed in."""


@change
def record(name: EventName, *, by: str, subject: str, organisation: str = "", person: str = "", **details: Any) -> int:
    """Write that `name` happened to `subject` (`kind:ID`), by `by`, and return its number, the revision.

    `person` is the public id of whose memberships, grants or state are others now; a subject `person:ID` says it too.
    Called inside the operation that makes the change, so both are kept or neither. `details` are plain JSON
    values without secrets, passwords or e-mail addresses.
    """
    kind, _, subject_id = subject.partition(":")
    event = Event.create(
        at=clock.now(),
        name=name,
        by=by,
        subject=subject,
        organisation=organisation,
        person=subject_id if kind == "person" else person,
        details=details,
    )
    notify(CHANNEL)
    return int(event.revision)


def keep_decisions(
    writer: str,
    *,
    first: int,
    last: int,
    started_at: datetime,
    ended_at: datetime,
    payload: bytes,
    paths: Mapping[str, tuple[str, Steps]],
) -> None:
    """Keep a batch of answered decisions, and those paths (policy and steps, by digest) that its writer has not kept.

    A batch that begins alike takes the place of one that is kept already: the first try may have arrived, only not its
    answer, and more may have come together since. Nothing changes, so no event is written.
    """
    # In one order, so that no two writers wait for each other.
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


def forget_decisions(before: datetime, *, most: int) -> int:
    """Delete the decisions given before a moment, at most so many batches, and return how many batches they were.

    The paths that only they came go too. No event is written: that they go is a setting.
    """
    with appending():
        forgotten = _delete_some(DecisionBatch, DecisionBatch.ended_at < before, most)
        # A path that is in use is noted as such once an hour.
        _delete_some(DecisionPath, DecisionPath.used_at < before - timedelta(days=1), most)
    return forgotten


def _delete_some(model: type[BaseModel], condition: Expression, most: int) -> int:
    some = model.select(model.id).where(condition).order_by(model.id).limit(most)
    return int(model.delete().where(model.id.in_(some)).execute())
