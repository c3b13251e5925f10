"""`tessera backup`: one file with everything that the portal has stored."""

from pathlib import Path

import click

from app.backup.operations import make_backup
from app.cli.base import answer, as_json, examples, own_database

_TARGET = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=examples("tessera backup /backups/tessera-2027-05-04.zip"))
@click.argument("file", type=_TARGET)
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Write everything to FILE, which must not be there yet. The portal may run meanwhile.

    The file holds people's names, addresses and hashed passwords: keep it where only you can read it. The secret key is
    not in it. On PostgreSQL, `pg_dump` has to be installed.
    """
    with own_database():
        make_backup(file)
        size = file.stat().st_size
        answer(f"Wrote {file}: {size:,} bytes.", {"file": str(file), "bytes": size}, for_program=as_json)
