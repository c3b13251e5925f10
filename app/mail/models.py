"""The mail queue, as stored."""

from enum import StrEnum

from peewee import SQL, BooleanField, CharField, IntegerField, TextField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField


class MailState(StrEnum):
    """Whether a mail was sent."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"


class Mail(BaseModel):
    """A mail to one address. Its Message-ID never changes, so that a duplicate can be recognised."""

    message_id = CharField(max_length=120, unique=True)
    to_address = CharField(max_length=254)
    subject = CharField(max_length=200)
    body = TextField()
    """Plain text. Emptied once the mail is sent, because it may hold a link that gives access to an account."""
    state = EnumField(MailState, max_length=20, default=MailState.WAITING)
    created_at = UTCDateTimeField()
    due_at = UTCDateTimeField()
    """When a worker may try next; while one sends the mail, the end of its lease."""
    claimed_by = CharField(max_length=60, null=True)
    """The worker that sends the mail just now."""
    urgent = BooleanField(default=False, constraints=[SQL("default false")])
    """Whether somebody waits for it."""
    last_reply = CharField(max_length=60, null=True)
    """The code of the mail server, or the type of the error, for which it was not sent last time."""
    tries = IntegerField(default=0)
    sent_at = UTCDateTimeField(null=True)

    class Meta:
        indexes = ((("state", "due_at"), False),)
