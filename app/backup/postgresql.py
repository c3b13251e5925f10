"""Copying and putting back a PostgreSQL database, with its own programs."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit
from zipfile import ZipFile

from app.kernel.database import connected, database
from app.kernel.errors import ProblemError
from app.kernel.schema import migration_lock

_CHUNK = 1 << 20
_OTHERS = """select count(*) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"""
_ANEW = b"drop schema public cascade;\ncreate schema public;\n"
"""What comes before a dump, in its transaction: tables of another release must not stay beside those of the backup."""


def copy_into(archive: ZipFile, name: str, url: str) -> None:
    """Write what `pg_dump` says of the database at `url`, which may be in use, into `archive` as `name`."""
    with (
        _started(["pg_dump", "--no-owner", "--no-privileges"], url, stdout=subprocess.PIPE) as dump,
        archive.open(name, "w", force_zip64=True) as target,
    ):
        assert dump.stdout
        while chunk := dump.stdout.read(_CHUNK):
            target.write(chunk)
        _ensure_done(dump, "pg_dump")


@contextmanager
def unused() -> Iterator[None]:
    """Run the block while no portal can start. Raises `ProblemError` when somebody uses the bound database."""
    with connected(), migration_lock():
        (others,) = database.execute_sql(_OTHERS).fetchone()
        if others:
            raise ProblemError("Somebody is connected to the database. Stop every portal and mail worker first.")
        yield


def put_back(archive: ZipFile, name: str, url: str) -> None:
    """Replace what is in the database at `url` by what `archive` has as `name`: all of it, or nothing."""
    command = ["psql", "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    with _started(command, url, stdin=subprocess.PIPE) as restore, archive.open(name) as source:
        assert restore.stdin
        try:
            restore.stdin.write(_ANEW)
            while chunk := source.read(_CHUNK):
                restore.stdin.write(chunk)
            restore.stdin.close()
        except BrokenPipeError:
            # It has said why.
            restore.stdin = None
        _ensure_done(restore, "psql")


def _started(
    command: Sequence[str], url: str, *, stdin: int | None = None, stdout: int | None = None
) -> "subprocess.Popen[bytes]":
    # Everybody on the machine can read the arguments of a program, so the password is in its environment.
    parts = urlsplit(url)
    password = unquote(parts.password or "")
    place = parts.netloc.replace(f":{parts.password}@", "@") if parts.password else parts.netloc
    environ = os.environ | ({"PGPASSWORD": password} if password else {})
    address = urlunsplit(parts._replace(netloc=place))
    try:
        return subprocess.Popen(
            [*command, f"--dbname={address}"], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environ
        )
    except FileNotFoundError as error:
        raise ProblemError(
            f"{command[0]} is not here. Install the programs of PostgreSQL, of the release of your server or a later"
            " one (Debian: apt-get install postgresql-client)."
        ) from error


def _ensure_done(process: "subprocess.Popen[bytes]", name: str) -> None:
    errors: IO[bytes] | None = process.stderr
    said = errors.read().decode(errors="replace").strip() if errors else ""
    if process.wait():
        raise ProblemError(f"{name} did not work: {said.splitlines()[0] if said else process.returncode}.")
