"""The tables of the database: brought up to date by migrations, and compared with what this release can work with.

A release works on the tables of the release after it as well, so that several machines move one after the other, and a
release that disappoints is taken back. So a migration only adds, in ways that the release before does not notice. One
that takes something away comes a release later, and has `contract` in its name: the releases before refuse a database
that has it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playhouse import migrations as runner

from app.kernel.database import MEMORY, connected, database, file_lock, is_postgresql
from app.kernel.errors import ProblemError

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_MIGRATION_LOCK = 4242002
_CONTRACTS = "contract"


def migrate() -> list[str]:
    """Bring the tables up to date, one process at a time. Returns the names of what was applied.

    Raises `ProblemError` when a later release has changed them so that this one cannot work with them.
    """
    with connected(), migration_lock():
        refuse_later_schema()
        return list(runner.run(database.obj, str(MIGRATIONS)))


def pending_migrations() -> list[str]:
    """Return the names of the migrations that have not been applied. Needs an open connection."""
    status = runner.Runner(database.obj, str(MIGRATIONS)).status()
    return [migration.name for migration in status if not migration.applied]


def applied_migrations() -> list[str]:
    """Return the names of what has been applied, by this release or another. Needs an open connection."""
    return list(runner.Runner(database.obj, str(MIGRATIONS)).applied())


def unknown_migrations(names: Iterable[str]) -> list[str]:
    """Return those of `names` that this release does not know, in their order."""
    return sorted(set(names) - {path.stem for path in MIGRATIONS.glob("[0-9]*.py")})


def later_migrations() -> list[str]:
    """Return the names of what later releases have applied. Needs an open connection."""
    return unknown_migrations(applied_migrations())


def refuse_later_schema() -> None:
    """Raise `ProblemError` when a later release has taken something away that this one needs."""
    for name in later_migrations():
        if _CONTRACTS in name:
            raise ProblemError(
                f"The database belongs to a later release of Tessera: {name} has taken away what this one needs. "
                "Start that release, or restore a backup from before the upgrade."
            )


@contextmanager
def migration_lock() -> Iterator[None]:
    """Run the block while nobody migrates, so that no portal starts. Needs an open connection."""
    if is_postgresql():
        # However long the one that migrates takes, the others wait.
        database.execute_sql("set lock_timeout = 0")
        database.execute_sql("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        try:
            yield
        finally:
            database.execute_sql("select pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))
            database.execute_sql("reset lock_timeout")
    elif database.obj.database == MEMORY:
        yield
    else:
        with file_lock(database.obj.database):
            yield
