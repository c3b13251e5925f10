"""Events and answered decisions, as stored. They name others by public reference, so they outlive them."""

from peewee import AutoField, BooleanField, CharField, FloatField, IntegerField, JSONField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import EventName, Reason


class Event(BaseModel):
    """Something that happened, written in the transaction of the change itself."""

    revision = AutoField()
    at = UTCDateTimeField(index=True)
    name = EnumField(EventName, max_length=40)
    by = CharField(max_length=80)
    """`person:ID`, `client:ID`, `operator` (the command line) or `guest`."""
    subject = CharField(max_length=300, index=True)
    """What it happened to, as `kind:ID`; a record is `record:KIND:ID`."""
    organisation = CharField(max_length=40, default="", index=True)
    person = CharField(max_length=40, default="")
    """The public id of whose facts are others now, if it is about a person: how caches know what to forget."""
    details = JSONField(default=dict)


class DecisionRecord(BaseModel):
    """One answer of the decision API, found again by its id."""

    public_id = CharField(max_length=40, unique=True)
    at = UTCDateTimeField(index=True)
    client = CharField(max_length=80)
    subject = CharField(max_length=200)
    action = CharField(max_length=200)
    resource = CharField(max_length=400)
    organisation = CharField(max_length=40, default="")
    """The public id of the organisation that was asked about, if one was."""
    allowed = BooleanField()
    reason = EnumField(Reason, max_length=40)
    policy = CharField(max_length=64)
    revision = IntegerField()
    milliseconds = FloatField()
