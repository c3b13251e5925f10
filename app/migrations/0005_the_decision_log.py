"""Decisions in batches, and the paths that led to them, in the place of a row for each decision."""

from peewee import BigIntegerField, BlobField, CharField, JSONField, Model
from app.kernel.database import UTCDateTimeField


def up(migrator, db):
    class DecisionBatch(Model):
        writer = CharField(max_length=20)
        first = BigIntegerField()
        last = BigIntegerField()
        started_at = UTCDateTimeField()
        ended_at = UTCDateTimeField(index=True)
        payload = BlobField()

        class Meta:
            database = db
            table_name = "decision_batch"
            indexes = ((("writer", "first"), True),)

    class DecisionPath(Model):
        digest = CharField(unique=True, max_length=32)
        policy = CharField(max_length=64)
        steps = JSONField()
        used_at = UTCDateTimeField(index=True)

        class Meta:
            database = db
            table_name = "decision_path"

    db.create_tables([DecisionBatch, DecisionPath])
    # Nothing has been released that wrote into it.
    migrator.migrate(migrator.drop_table("decision_record"))


def down(migrator, db):
    migrator.migrate(migrator.drop_table("decision_path"))
    migrator.migrate(migrator.drop_table("decision_batch"))
