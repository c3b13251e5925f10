"""Events and answered decisions, as stored. They name others by public reference, so they outlive them."""

from peewee import AutoField, BigIntegerField, BlobField, CharField, JSONField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import EventName


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


class DecisionBatch(BaseModel):
    """Decisions that one process gave one after the other, to requests that it numbered from `first` to `last`.

    Two batches may overlap by a few numbers. After a lost connection both may hold the same decision, word for word.
    """

    writer = CharField(max_length=20)
    """Which start of which process; the first part of the ids of its decisions."""
    first = BigIntegerField()
    last = BigIntegerField()
    started_at = UTCDateTimeField()
    ended_at = UTCDateTimeField(index=True)
    payload = BlobField()
    """What `audit.records.pack` made of them."""

    class Meta:
        indexes = ((("writer", "first"), True),)


class DecisionPath(BaseModel):
    """What was read on the way to decisions, found by what it says: the same way is written down once."""

    digest = CharField(max_length=32, unique=True)
    policy = CharField(max_length=64)
    steps = JSONField()
    """Pairs of a question and its answer, in the order in which they were asked."""
    used_at = UTCDateTimeField(index=True)
    """When a decision came this way, to within an hour or two."""
