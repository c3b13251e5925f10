"""Things that services register, properties of people, and room for a record's name in the events."""

from peewee import CharField, JSONField, Model


def up(migrator, db):
    class Record(Model):
        kind = CharField(max_length=60)
        public_id = CharField(max_length=200)
        properties = JSONField(default=dict)

        class Meta:
            database = db
            table_name = "record"
            indexes = ((("kind", "public_id"), True),)

    db.create_tables([Record])
    migrator.migrate(
        migrator.add_column("person", "properties", JSONField(null=True)),
        migrator.alter_column_type("event", "subject", CharField(max_length=300)),
    )


def down(migrator, db):
    migrator.migrate(
        migrator.drop_column("person", "properties"),
        migrator.alter_column_type("event", "subject", CharField(max_length=80)),
    )
    db.execute_sql("drop table record")
