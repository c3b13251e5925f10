"""Events and answered decisions, as stored. They refer to other rows by public reference, so they outlive them."""

from peewee import AutoField, BigIntegerField, BlobField, CharField, JSONField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import EventName


class Event(BaseModel):
    """Something that happened, written in the transaction of the change itself."""

    revision = AutoField()
    """The revision that it made, as `next_revision` numbers it."""
    at = UTCDateTimeField(index=True)
    name = EnumField(EventName, max_length=40)
    by = CharField(max_length=300)
    """`person:ID`, `client:ID`, `operator` (the command line) or `guest`."""
    subject = CharField(max_length=600, index=True)
    """What it happened to, as `kind:ID`; a record is `record:KIND:ID`."""
    organisation = CharField(max_length=40, default="", index=True)
    person = CharField(max_length=255, default="")
    """The public id of the person whose facts have changed, if it is about one: what caches have to invalidate."""
    details = JSONField(default=dict)


class UnrecordedChanges(BaseModel):
    """How often tables that facts are read from were changed without an event: with SQL, or by an earlier release.

    There is one row. Triggers count, and `changing` keeps them from it.
    """

    number = BigIntegerField()


class DecisionBatch(BaseModel):
    """Consecutive decisions of one process, in answer to requests that it numbered from `first` to `last`.

    Two batches may overlap by a few numbers. After a lost connection both may hold the same decision.
    """

    writer = CharField(max_length=20)
    """Identifies one start of one process; the first part of the ids of its decisions."""
    first = BigIntegerField()
    last = BigIntegerField()
    started_at = UTCDateTimeField()
    ended_at = UTCDateTimeField(index=True)
    payload = BlobField()
    """What `audit.records.pack` made of them."""

    class Meta:
        indexes = ((("writer", "first"), True),)


class DecisionPath(BaseModel):
    """The steps to a decision, identified by their digest: the same steps are stored once."""

    digest = CharField(max_length=32, unique=True)
    policy = CharField(max_length=64)
    steps = JSONField()
    """Pairs of a question and its answer, in the order in which they were asked."""
    used_at = UTCDateTimeField(index=True)
    """When a decision last had these steps, to within an hour or two."""
