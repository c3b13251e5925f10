"""Changes to the mail queue."""

from datetime import timedelta
from typing import Any

from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.ids import new_public_id
from app.mail.models import Mail, MailState
from app.vocabulary import EventName

WORKER = "mail worker"
"""How events name the worker."""
LEASE = timedelta(seconds=120)
"""How long a claim holds: longer than sending takes. If a server is slow at every line, sending may take longer; then a
second worker may send the mail as well, with the same Message-ID."""
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 8
"""The number of doublings after which the longest wait is reached."""


@change
def queue(to_address: str, subject: str, body: str) -> Mail:
    """Queue a mail, in the transaction of the change that causes it."""
    moment = clock.now()
    return Mail.create(
        message_id=f"<{new_public_id()}@tessera.invalid>",
        to_address=to_address,
        # A line break in a name must not start a new header.
        subject=" ".join(subject.split()),
        body=body,
        created_at=moment,
        due_at=moment,
    )


@change
def claim() -> Mail | None:
    """Lease the mail that has waited longest for `LEASE`, and return it, or None. Records no event: nothing was sent.

    The mail of a worker that dies is free again when its lease ends. Two workers cannot get the same mail, because
    the write lock admits one at a time.
    """
    mail: Mail | None = (
        Mail.select()
        .where(Mail.state == MailState.WAITING, Mail.due_at <= clock.now())
        .order_by(Mail.due_at, Mail.id)
        .first()
    )
    if mail is not None:
        mail.due_at = clock.now() + LEASE
        mail.tries += 1
        mail.save(only=[Mail.due_at, Mail.tries])
    return mail


@change
def postpone(mail: Mail) -> None:
    """Try a claimed mail again later, with exponential back-off. Records no event: nothing was sent."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(mail.tries - 1, _DOUBLINGS))
    # After the end of the lease, another worker may have claimed it.
    Mail.update(due_at=clock.now() + wait).where(
        Mail.id == mail.id, Mail.state == MailState.WAITING, Mail.due_at == mail.due_at
    ).execute()


@change
def mark_sent(mail: Mail) -> None:
    """Mark `mail` as sent, and delete its text."""
    _finish(mail, MailState.SENT, EventName.MAIL_SENT)


@change
def mark_refused(mail: Mail, code: int) -> None:
    """Mark `mail` as permanently refused with the reply `code` of the mail server, and delete its text."""
    _finish(mail, MailState.REFUSED, EventName.MAIL_REFUSED, code=code)


def _finish(mail: Mail, state: MailState, event: EventName, **details: Any) -> None:
    finished = (
        Mail.update(state=state, sent_at=clock.now() if state is MailState.SENT else None, body="")
        .where(Mail.id == mail.id, Mail.state == MailState.WAITING)
        .execute()
    )
    # If two workers sent the mail, because the first one was too slow, it is finished once.
    if finished:
        record(event, by=WORKER, subject=f"mail:{mail.message_id.strip('<>')}", tries=mail.tries, **details)
