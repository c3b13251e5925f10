"""Whether a client may learn about everybody, and how it names people."""

from peewee import SQL, BooleanField, JSONField


def up(migrator, db):
    # With a default of the database: an earlier release that still runs adds clients without naming these.
    for name in ("knows_everybody", "by_address"):
        migrator.migrate(
            migrator.add_column("client", name, BooleanField(default=False, constraints=[SQL("default false")]))
        )
    migrator.migrate(migrator.add_column("client", "person_types", JSONField(null=True)))


def down(migrator, db):
    for name in ("person_types", "by_address", "knows_everybody"):
        migrator.migrate(migrator.drop_column("client", name))
