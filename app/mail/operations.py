"""Putting mail into the outbox, and keeping track of it until it is sent."""

from datetime import timedelta
from typing import Any

from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.ids import new_public_id
from app.mail.models import Mail, MailState
from app.vocabulary import EventName

WORKER = "mail worker"
"""How events name whoever sends the mail."""
LEASE = timedelta(seconds=120)
"""How long a claim holds: longer than sending takes. Only a server that is slow at every line can make it longer, and
then a second worker may send the same mail too, which has the same `Message-ID`."""
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=15)
_DOUBLINGS = 8
"""After so many the longest wait is reached."""


@change
def queue(to_address: str, subject: str, body: str) -> Mail:
    """Put a mail into the outbox, in the transaction of the change that causes it."""
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
    """Take the mail that has waited longest for as long as `LEASE`, or return None. Records no event: none is sent.

    A worker that dies keeps its claim until the lease ends; then the mail is anybody's again. Of two workers one gets
    it, because writers come one after the other.
    """
    mail = (
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
    """Try a claimed mail again later, after a wait that grows with each try. Records no event: nothing was sent."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(mail.tries - 1, _DOUBLINGS))
    # A claim that has run out may be somebody else's now.
    Mail.update(due_at=clock.now() + wait).where(
        Mail.id == mail.id, Mail.state == MailState.WAITING, Mail.due_at == mail.due_at
    ).execute()


@change
def mark_sent(mail: Mail) -> None:
    """Note that `mail` has left, and forget its text."""
    _finish(mail, MailState.SENT, EventName.MAIL_SENT)


@change
def mark_refused(mail: Mail, code: int) -> None:
    """Note that the mail server will never take `mail`, with its answer `code`, and forget its text."""
    _finish(mail, MailState.REFUSED, EventName.MAIL_REFUSED, code=code)


def _finish(mail: Mail, state: MailState, event: EventName, **details: Any) -> None:
    finished = (
        Mail.update(state=state, sent_at=clock.now() if state is MailState.SENT else None, body="")
        .where(Mail.id == mail.id, Mail.state == MailState.WAITING)
        .execute()
    )
    # A mail that two workers sent, because the first was too slow, is finished once.
    if finished:
        record(event, by=WORKER, subject=f"mail:{mail.message_id.strip('<>')}", tries=mail.tries, **details)
