"""Putting mail into the outbox."""

from app.kernel import clock
from app.kernel.database import change
from app.kernel.ids import new_public_id
from app.mail.models import Mail


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
