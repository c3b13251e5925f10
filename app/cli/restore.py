"""`tessera restore`: what a backup holds, put back."""

from pathlib import Path

import click

from app.accounts.models import Person
from app.audit.models import Event
from app.backup.operations import restore_backup
from app.cli.base import answer, as_json, examples, own_database
from app.config import Settings, read_settings
from app.kernel import database
from app.kernel.database import MEMORY, open_database
from app.kernel.schema import migrate
from app.organisations.models import Organisation
from app.runtime import Runtime, use

_SOURCE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=examples("tessera restore /backups/tessera-2027-05-04.zip"))
@click.argument("file", type=_SOURCE)
@as_json
def restore(file: Path, as_json: bool) -> None:
    """Put back what is in FILE, which `tessera backup` has written. Stop the portal first.

    On SQLite the database that was there is kept beside it, and decisions that were logged since stay. On PostgreSQL,
    `psql` has to be installed, and what was there is replaced, all of it or nothing.
    """
    settings = read_settings()
    target = _sqlite_file(settings)
    # The database may be damaged, so this begins without it.
    first = f"sqlite:///{MEMORY}" if target else settings.database_url
    use(Runtime(settings=settings, database=open_database(first)))
    before = restore_backup(file, target)
    database.release()
    with own_database():
        migrate()
        found = {
            "people": Person.select().count(),
            "organisations": Organisation.select().count(),
            "revision": Event.select().order_by(Event.revision.desc()).limit(1).scalar() or 0,
        }
    sentence = f"Restored {file}: {found['people']} people at {found['organisations']} organisations."
    answer(f"{sentence} {before}".strip(), {"file": str(file), **found}, for_program=as_json)


def _sqlite_file(settings: Settings) -> Path | None:
    if not settings.database_url.startswith("sqlite"):
        return None
    return Path(settings.database_url.removeprefix("sqlite:///"))
