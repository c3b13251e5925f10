"""Ids of people, and of what events are about, may be as long as those of other systems.

SQLite keeps texts of any length whatever its tables say.
"""

from playhouse.migrate import PostgresqlMigrator

LENGTHS = {
    ("person", "public_id"): (40, 255),
    ("membership", "public_id"): (40, 300),
    ("record", "public_id"): (200, 255),
    ("event", "person"): (40, 255),
    ("event", "by"): (80, 300),
    ("event", "subject"): (300, 600),
}


def up(migrator, db):
    _alter(migrator, db, 1)


def down(migrator, db):
    _alter(migrator, db, 0)


def _alter(migrator, db, which):
    if isinstance(migrator, PostgresqlMigrator):
        for (table, column), lengths in LENGTHS.items():
            db.execute_sql(f'alter table "{table}" alter column "{column}" type varchar({lengths[which]})')
