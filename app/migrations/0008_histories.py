"""Revisions that tell their history, and a count of the changes that were made without an event.

A revision becomes a larger number, of which a part is random. The triggers are on every table that facts are read from;
a later migration that makes one of these tables anew, as peewee does on SQLite to add a column, has to make its
triggers anew.
"""

from playhouse.migrate import PostgresqlMigrator

TABLES = (
    "client",
    "email_address",
    "grant",
    "membership",
    "organisation",
    "person",
    "record",
    "role",
    "service",
    "staff_grant",
)


_COUNT = "update unrecorded_changes set number = number + 1"


def up(migrator, db):
    is_postgresql = isinstance(migrator, PostgresqlMigrator)
    # SQLite has one kind of whole numbers.
    kind = "bigint" if is_postgresql else "integer"
    db.execute_sql(f"create table unrecorded_changes (id integer not null primary key, number {kind} not null)")
    # Not from nothing: a database of the demo has no event by which it could be told from another one.
    begin = "floor(random() * 1e12)::bigint" if is_postgresql else "abs(random() % 1000000000000)"
    db.execute_sql("insert into unrecorded_changes (id, number) select 1, " + begin)
    if is_postgresql:
        db.execute_sql("alter table event alter column revision type bigint")
        db.execute_sql("alter sequence event_revision_seq as bigint")
        db.execute_sql(
            "create function count_unrecorded_change() returns trigger language plpgsql as $$ begin"
            " if current_setting('tessera.recorded', true) is distinct from 'on' then"
            f" {_COUNT}; perform pg_notify('tessera', ''); end if;"
            " return null; end $$"
        )
        for table in TABLES:
            db.execute_sql(
                f'create trigger unrecorded after insert or update or delete or truncate on "{table}"'
                " for each statement execute function count_unrecorded_change()"
            )
    else:
        for table in TABLES:
            for event in ("insert", "update", "delete"):
                count = "update unrecorded_changes set number = number + 1"
                db.execute_sql(
                    f'create trigger unrecorded_{table}_{event} after {event} on "{table}" begin {count}; end'
                )


def down(migrator, db):
    if isinstance(migrator, PostgresqlMigrator):
        db.execute_sql("drop function count_unrecorded_change() cascade")
    else:
        for table in TABLES:
            for event in ("insert", "update", "delete"):
                db.execute_sql(f"drop trigger unrecorded_{table}_{event}")
    db.execute_sql("drop table unrecorded_changes")
