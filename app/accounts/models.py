"""People and what proves who they are, as stored."""

from peewee import BooleanField, CharField, ForeignKeyField, IntegerField, JSONField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.organisations.models import Organisation
from app.vocabulary import PersonState


class Person(BaseModel):
    """A human with an account."""

    public_id = CharField(max_length=40, unique=True)
    name = CharField(max_length=120, index=True)
    state = EnumField(PersonState, max_length=20, default=PersonState.INVITED)
    password_hash = CharField(max_length=200, default="")
    created_at = UTCDateTimeField()
    activated_at = UTCDateTimeField(null=True)
    last_sign_in_at = UTCDateTimeField(null=True)
    properties = JSONField(null=True)
    """What a pack says of them, for its rules; most have none."""

    mail: "EmailAddress"
    """The primary address, on rows of queries that join it."""

    @property
    def reference(self) -> str:
        """How events name this person."""
        return f"person:{self.public_id}"


class EmailAddress(BaseModel):
    """An address of a person, in lower case. One of them is primary: mail goes there."""

    person = ForeignKeyField(Person, backref="addresses", on_delete="CASCADE")
    address = CharField(max_length=254, unique=True)
    primary = BooleanField(default=True)


class Session(BaseModel):
    """A signed-in browser. Kept here so that it can be ended from here."""

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, backref="sessions", on_delete="CASCADE")
    started_at = UTCDateTimeField()
    seen_at = UTCDateTimeField()
    ended_at = UTCDateTimeField(null=True)


class PasswordReset(BaseModel):
    """A link that lets its holder choose a new password, once."""

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, on_delete="CASCADE")
    created_at = UTCDateTimeField()
    ends_at = UTCDateTimeField()
    used_at = UTCDateTimeField(null=True)


class Attempts(BaseModel):
    """How often something was tried for one key (a hash) since `since`; what throttling counts."""

    key_hash = CharField(max_length=64, unique=True)
    since = UTCDateTimeField(index=True)
    count = IntegerField(default=0)


class Invitation(BaseModel):
    """A mailed link that lets an invited person activate their account, once.

    `organisation` is empty when a person created the account themselves.
    """

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, on_delete="CASCADE")
    person_id: int
    organisation = ForeignKeyField(Organisation, null=True, on_delete="CASCADE")
    invited_by = ForeignKeyField(Person, null=True, backref="invitations_sent", on_delete="SET NULL")
    created_at = UTCDateTimeField()
    ends_at = UTCDateTimeField()
    used_at = UTCDateTimeField(null=True)
    cancelled_at = UTCDateTimeField(null=True)
