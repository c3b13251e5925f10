"""Copying and putting back SQLite databases, through SQLite: a copy of the file alone misses what is in its log."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from zipfile import ZipFile

from app.backup.archive import extract
from app.kernel.database import unshared
from app.kernel.errors import ProblemError
from app.kernel.files import sync_folder

_BUSY_SECONDS = 15


def copy_into(archive: ZipFile, name: str, path: Path) -> None:
    """Copy the database at `path`, which may be in use, into `archive` as `name`. Raises `ProblemError` if damaged."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.copy")
    try:
        with _connected(path) as source, _connected(draft) as target:
            source.backup(target)
            target.execute("pragma journal_mode = delete")
            ensure_intact(target, path)
        archive.write(draft, name)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def unused(path: Path) -> Iterator[None]:
    """Run the block while no process opens the database at `path`. Raises `ProblemError` when one has it open."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with unshared(str(path)) as is_alone:
        if not is_alone or (path.exists() and _is_open_elsewhere(path)):
            raise ProblemError(f"{path} is in use. Stop the portal and every other command first.")
        yield


def put_back(archive: ZipFile, name: str, path: Path) -> Path | None:
    """Replace the database at `path`, which nobody uses, by the one that `archive` has as `name`.

    Whenever this is interrupted, the earlier database is there or the restored one. Returns where the earlier one is
    kept, if there was one. Raises `ProblemError` when the one in the archive is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.restored")
    extract(archive, name, draft)
    try:
        with _connected(draft) as restored:
            ensure_intact(restored, draft)
        kept = _set_aside(path) if path.exists() and path.stat().st_size else None
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
    return kept


def add_rows(archive: ZipFile, name: str, path: Path, tables: tuple[str, ...]) -> None:
    """Add the rows of `tables` that the database in `archive` has and the one at `path` has not."""
    draft = path.with_name(f".{path.name}.restored")
    extract(archive, name, draft)
    try:
        with _connected(path) as present:
            present.execute("attach ? as restored", (str(draft),))
            with present:
                for table in tables:
                    columns = [column for _, column, *_ in present.execute(f"pragma restored.table_info({table})")]
                    names = ", ".join(f'"{column}"' for column in columns if column != "id")
                    present.execute(
                        f"insert or ignore into main.{table} ({names}) select {names} from restored.{table}"  # noqa: S608  (our own names)
                    )
    finally:
        draft.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Look through all of the database at `path`, but for its indexes. Raises `ProblemError` if it is damaged."""
    with _connected(path) as connection:
        ensure_intact(connection, path, "quick_check")


def settle(path: Path) -> None:
    """Write what is in the log of the database at `path` into its file, unless somebody uses it or it is damaged."""
    with suppress(sqlite3.DatabaseError), _connected(path) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")


def ensure_intact(connection: sqlite3.Connection, path: Path, how: str = "integrity_check") -> None:
    """Raise `ProblemError` when SQLite finds a fault in the database, looking as carefully as `how` says."""
    try:
        answers = [answer for (answer,) in connection.execute(f"pragma {how}(1)")]
    except sqlite3.DatabaseError as error:
        answers = [str(error)]
    if answers != ["ok"]:
        reason = answers[0].splitlines()[-1]
        raise ProblemError(f"The database {path} is damaged ({reason}). Restore a backup: `tessera restore FILE`.")


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        yield connection


def _is_open_elsewhere(path: Path) -> bool:
    """Return whether a process of an earlier release has it open, which does not say so."""
    try:
        with _connected(path) as connection:
            connection.execute("pragma busy_timeout = 1000")
            connection.execute("pragma locking_mode = exclusive")
            connection.execute("begin exclusive")
            connection.rollback()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    except sqlite3.DatabaseError:
        # It is damaged, and nobody can work with it.
        return False
    return False


def _set_aside(path: Path) -> Path:
    """Keep the database at `path` beside it, too, and have nothing left that would be taken for the next one's."""
    kept = path.with_name(f"{path.name}.before-restore")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{kept}{suffix}").unlink(missing_ok=True)
    try:
        with _connected(path) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
            connection.execute("pragma journal_mode = delete")
    except sqlite3.DatabaseError:
        # It is damaged, which may be why it is replaced: its log is kept beside it, as it is.
        log = Path(f"{path}-wal")
        if log.exists():
            os.link(log, f"{kept}-wal")
    os.link(path, kept)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return kept
