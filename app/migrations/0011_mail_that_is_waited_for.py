"""Which mails somebody waits for, who sends them just now, and what the mail server said about them last."""

from playhouse.migrate import SqliteMigrator


def up(migrator, db):
    # As SQL: peewee would make the table anew on SQLite, and its triggers would be gone. With a default of the
    # database: an earlier release that still runs queues mails without naming these.
    is_sqlite = isinstance(migrator, SqliteMigrator)
    boolean = "INTEGER NOT NULL DEFAULT false" if is_sqlite else "BOOLEAN NOT NULL DEFAULT false"
    db.execute_sql(f"alter table mail add column urgent {boolean}")
    for name in ("claimed_by", "last_reply"):
        db.execute_sql(f"alter table mail add column {name} VARCHAR(60)")


def down(migrator, db):
    for name in ("last_reply", "claimed_by", "urgent"):
        db.execute_sql(f"alter table mail drop column {name}")
