"""The outbox."""

from enum import StrEnum

from peewee import CharField, IntegerField, TextField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField


class MailState(StrEnum):
    """Where a mail stands."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"


class Mail(BaseModel):
    """One mail to one address. Its Message-ID is fixed, so that sending it twice can be recognised."""

    message_id = CharField(max_length=120, unique=True)
    to_address = CharField(max_length=254)
    subject = CharField(max_length=200)
    body = TextField()
    """Plain text; emptied once sent, because it may hold a link that signs somebody in."""
    state = EnumField(MailState, max_length=20, default=MailState.WAITING)
    created_at = UTCDateTimeField()
    due_at = UTCDateTimeField()
    """When the worker may try (again); while a worker sends, the end of its claim."""
    tries = IntegerField(default=0)
    sent_at = UTCDateTimeField(null=True)

    class Meta:
        indexes = ((("state", "due_at"), False),)
