"""People, their addresses and credentials, as stored."""

from peewee import BooleanField, CharField, ForeignKeyField, IntegerField, JSONField
from playhouse.fields import EnumField

from app.kernel import clock
from app.kernel.database import BaseModel, UTCDateTimeField
from app.organisations.models import Organisation
from app.vocabulary import PersonState


class Person(BaseModel):
    """A person with an account, which may not be active yet."""

    public_id = CharField(max_length=255, unique=True)
    name = CharField(max_length=120, index=True)
    state = EnumField(PersonState, max_length=20, default=PersonState.INVITED)
    password_hash = CharField(max_length=200, default="")
    created_at = UTCDateTimeField()
    activated_at = UTCDateTimeField(null=True)
    last_sign_in_at = UTCDateTimeField(null=True)
    properties = JSONField(null=True)
    """Attributes from the fixtures of a pack, for its rules; most people have none."""

    mail: "EmailAddress"
    """The primary address, on rows of queries that join it."""

    @property
    def reference(self) -> str:
        """How events name this person."""
        return f"person:{self.public_id}"


class EmailAddress(BaseModel):
    """An e-mail address of a person, in lower case. Mail goes to the primary one."""

    person = ForeignKeyField(Person, backref="addresses", on_delete="CASCADE")
    address = CharField(max_length=254, unique=True)
    primary = BooleanField(default=True)


class Session(BaseModel):
    """A signed-in browser. Stored, so that it can be ended by the server."""

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, backref="sessions", on_delete="CASCADE")
    started_at = UTCDateTimeField()
    seen_at = UTCDateTimeField()
    ended_at = UTCDateTimeField(null=True)


class PasswordReset(BaseModel):
    """A mailed link for choosing a new password, once."""

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, on_delete="CASCADE")
    created_at = UTCDateTimeField()
    ends_at = UTCDateTimeField()
    used_at = UTCDateTimeField(null=True)


class Attempts(BaseModel):
    """The number of attempts since `since` for one key, which is stored as a hash; see `throttling`."""

    key_hash = CharField(max_length=64, unique=True)
    since = UTCDateTimeField(index=True)
    count = IntegerField(default=0)


class Invitation(BaseModel):
    """A mailed link with which a person activates their account, once.

    `organisation` is empty for staff, and for people who create the account themselves.
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

    @property
    def is_open(self) -> bool:
        """Whether the link still works."""
        return self.used_at is None and self.cancelled_at is None and clock.now() < self.ends_at
