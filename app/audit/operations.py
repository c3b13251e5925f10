"""Writing events and answered decisions down."""

from typing import Any

from app.audit.models import DecisionRecord, Event
from app.kernel import clock
from app.kernel.database import change, notify
from app.kernel.ids import new_public_id
from app.kernel.noticing import CHANNEL
from app.vocabulary import EventName, Reason

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


@change
def record_decision(
    *,
    client: str,
    subject: str,
    action: str,
    resource: str,
    organisation: str,
    allowed: bool,
    reason: Reason,
    policy: str,
    revision: int,
    milliseconds: float,
) -> str:
    """Write down an answer that `client` (`client:ID`) is about to be given, and return the id to find it by.

    `subject` is a public reference, never a name or an address; `organisation` the public id of the one asked about, or
    nothing. Nothing changes, so no event is written.
    """
    public_id = new_public_id()
    DecisionRecord.create(
        public_id=public_id,
        at=clock.now(),
        client=client,
        subject=subject,
        action=action,
        resource=resource,
        organisation=organisation,
        allowed=allowed,
        reason=reason,
        policy=policy,
        revision=revision,
        milliseconds=milliseconds,
    )
    return public_id
