"""When a role was retired, so that it can be brought back as it was."""

from playhouse.migrate import SqliteMigrator

_FIELD = "retired_at"


def up(migrator, db):
    # As SQL: peewee would make the table anew on SQLite, and its triggers would be gone.
    kind = "DATETIME" if isinstance(migrator, SqliteMigrator) else "TIMESTAMP"
    db.execute_sql(f"alter table role add column {_FIELD} {kind}")


def down(migrator, db):
    db.execute_sql(f"alter table role drop column {_FIELD}")
