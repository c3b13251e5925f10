"""Changes to the mail queue."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.ids import new_public_id
from app.kernel.metrics import mails
from app.mail.models import Mail, MailState
from app.mail.queries import LONGEST_WAIT, has_come
from app.vocabulary import EventName

WORKER = "mail worker"
"""How events name the worker."""
LEASE = timedelta(seconds=120)
"""How long a claim keeps a worker of an earlier release away, unless it is renewed."""
_AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""When a new mail is due: in the past, whatever the clocks of the machines say."""
_LONGEST_SUBJECT = 200
_FIRST_WAIT = timedelta(seconds=5)
_DOUBLINGS = 8
"""The number of doublings after which the longest wait is reached."""
_KEPT = timedelta(days=90)
"""For how long it is known which mails were sent or refused."""
_FORGOTTEN_AT_ONCE = 500


@change
def queue(to_address: str, subject: str, body: str, *, urgent: bool = False) -> Mail:
    """Queue a mail, in the transaction of the change that causes it. An `urgent` one overtakes the others."""
    # A line break in a name must not start a new header.
    subject = " ".join(subject.split())
    return Mail.create(
        message_id=f"<{new_public_id()}@tessera.invalid>",
        to_address=to_address,
        subject=subject if len(subject) <= _LONGEST_SUBJECT else f"{subject[: _LONGEST_SUBJECT - 1]}…",
        body=body,
        created_at=clock.now(),
        due_at=_AT_ONCE,
        urgent=urgent,
    )


@change
def claim(worker: str, silent: Collection[str] = ()) -> Mail | None:
    """Have `worker` send the mail that is most urgent and has waited longest; return it, or None.

    A mail of one of the workers that are `silent` counts as one that nobody sends. Records no event: nothing was sent.
    Two workers cannot get the same mail, because the write lock admits one at a time.
    """
    mail: Mail | None = (
        Mail.select()
        .where(Mail.state == MailState.WAITING, has_come() | Mail.claimed_by.in_(list(silent)))
        .order_by(Mail.urgent.desc(), Mail.due_at, Mail.id)
        .first()
    )
    if mail is not None:
        mail.due_at = clock.now() + LEASE
        mail.claimed_by = worker
        mail.tries += 1
        mail.save(only=[Mail.due_at, Mail.claimed_by, Mail.tries])
    return mail


@change
def renew(mail: Mail) -> None:
    """Show that the worker that has claimed `mail` is still at it. Records no event: nothing was sent."""
    Mail.update(due_at=clock.now() + LEASE).where(*_still_mine(mail)).execute()


@change
def postpone(mail: Mail, reply: str) -> None:
    """Try a claimed mail again later, with exponential back-off, and keep what the server said to it.

    Records no event: nothing was sent.
    """
    mails.labels("postponed").inc()
    wait = min(LONGEST_WAIT, _FIRST_WAIT * 2 ** min(mail.tries - 1, _DOUBLINGS))
    Mail.update(due_at=clock.now() + wait, claimed_by=None, last_reply=reply).where(*_still_mine(mail)).execute()


@change
def mark_sent(mail: Mail) -> None:
    """Mark `mail` as sent, and delete its text."""
    _finish(mail, MailState.SENT, EventName.MAIL_SENT)


@change
def mark_refused(mail: Mail, code: int) -> None:
    """Mark `mail` as permanently refused with the reply `code` of the mail server, and delete its text."""
    _finish(mail, MailState.REFUSED, EventName.MAIL_REFUSED, code=code)


@change
def forget_old() -> int:
    """Delete some of the mails that were sent or refused long ago, and return how many. Records no event.

    What is long ago, the newest mail says as well as the clock, which may be wrong.
    """
    newest = Mail.select(Mail.created_at).order_by(Mail.id.desc()).limit(1).scalar()
    if newest is None:
        return 0
    before = min(clock.now(), newest.replace(tzinfo=UTC)) - _KEPT
    old = Mail.select(Mail.id).where(Mail.state != MailState.WAITING, Mail.created_at < before)
    forgotten: int = Mail.delete().where(Mail.id.in_(old.limit(_FORGOTTEN_AT_ONCE))).execute()
    return forgotten


def _still_mine(mail: Mail) -> tuple[Any, ...]:
    """Return what holds as long as no other worker has claimed or sent `mail`."""
    return Mail.id == mail.id, Mail.state == MailState.WAITING, Mail.claimed_by == mail.claimed_by


def _finish(mail: Mail, state: MailState, event: EventName, **details: Any) -> None:
    finished = (
        Mail.update(
            state=state,
            sent_at=clock.now() if state is MailState.SENT else None,
            body="",
            claimed_by=None,
            last_reply=str(details["code"]) if details else None,
        )
        .where(Mail.id == mail.id, Mail.state == MailState.WAITING)
        .execute()
    )
    # If two workers sent the mail, because the first one was too slow, it is finished once.
    if finished:
        mails.labels(str(state)).inc()
        record(event, by=WORKER, subject=f"mail:{mail.message_id.strip('<>')}", tries=mail.tries, **details)
