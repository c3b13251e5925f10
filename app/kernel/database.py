"""The one database, SQLite or PostgreSQL, and the one way to change it.

`changing()` is the only way to change what decisions are made of. Writers take one lock before they do anything, and
keep it until they have committed. So the events' numbers (the revisions) become visible in their own order: a cache
that has caught up with 7 will never meet a late 6. A sequence alone would not do: it hands numbers out in one order
while transactions commit in another. And what a writer read before it writes is still true when it commits.
"""

import fcntl
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import psycopg
from peewee import (
    AutoField,
    Database,
    DatabaseProxy,
    DateTimeField,
    Model,
    OperationalError,
    PostgresqlDatabase,
    SqliteDatabase,
)
from playhouse.pool import PooledDatabase, PooledPostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict

from app.config import SettingError, Settings
from app.kernel.metrics import database_seconds
from app.runtime import Runtime, current, is_in_use, use

_WRITER_LOCK = 4242001
MEMORY = ":memory:"
"""The path of a database that is in no file."""

P = ParamSpec("P")
R = TypeVar("R")


class _CurrentDatabase(DatabaseProxy):
    """Stands for the database of the current runtime."""

    @property
    def obj(self) -> Any:
        """The database of the current runtime; None where there is no runtime yet."""
        return current().database if is_in_use() else None

    @obj.setter
    def obj(self, database: Any) -> None:
        """Ignore what peewee would have it be: which database it is, the runtime says."""


database = _CurrentDatabase()
"""What every model speaks through."""


class BaseModel(Model):
    """What all models have in common: the database of the current runtime."""

    id: "AutoField[int]"

    class Meta:
        database = database
        legacy_table_names = False


class UTCDateTimeField(DateTimeField):
    """A moment: aware in Python, stored as UTC without a zone.

    PostgreSQL would return an aware moment in the time zone of the session; it leaves a naive one as it is.
    """

    def db_value(self, value: Any) -> Any:
        """Return what is stored. Raises ValueError for a naive moment."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError("a moment needs a time zone")
            value = value.astimezone(UTC).replace(tzinfo=None)
        return super().db_value(value)  # type: ignore[no-untyped-call]  # peewee has no types

    def python_value(self, value: Any) -> Any:
        """Return an aware moment."""
        value = super().python_value(value)  # type: ignore[no-untyped-call]  # peewee has no types
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


TIMEOUTS: dict[str, int | str] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=10s"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2",
}
"""For libpq, how long PostgreSQL may be silent: otherwise threads wait a quarter of an hour for a machine that is gone.
A query that takes long is not affected, because the machine still acknowledges it.

For the server, how long we may be silent in the middle of a change: a writer that was stopped, or whose machine is
gone, would keep the lock and block everybody else."""
_SLOW_SECONDS = 0.5
_REST_SECONDS = 1
"""After a server did not respond for longer than `_SLOW_SECONDS`, until it is tried again."""
_CONNECTION_LIMIT = 12
"""For each process. PostgreSQL allows 100 in all by default."""


class _PostgresqlPool(PooledPostgresqlDatabase):
    """Connections to a server. While it does not respond, one thread at a time waits for it, and the others do not."""

    def _connect(self) -> Any:
        if monotonic() < self._next_try:
            raise OperationalError("The database did not respond a moment ago.")
        began = monotonic()
        try:
            return super()._connect()
        except psycopg.OperationalError:
            # To be refused takes no time.
            if monotonic() - began > _SLOW_SECONDS:
                self._next_try = monotonic() + _REST_SECONDS
            raise

    _next_try = 0.0


class SqliteFile(SqliteDatabase):
    """A database in a file that may be replaced by another while connections are open.

    Such a connection would go on with a file that nobody else has any more. A thread that takes up its connection again
    opens it anew. A file that is gone is not made again, because an empty database is not what was lost.
    """

    def connect(self, reuse_if_open: bool = False) -> bool:  # noqa: FBT001, FBT002  (peewee's own)
        """Open a connection for this thread, and return whether it is a new one."""
        state: Any = self._state  # type: ignore[attr-defined]  # peewee has no types
        if reuse_if_open and not state.closed and not self.in_transaction():
            files = identity(self.database)
            if any(known not in (None, now) for known, now in zip(state.files, files, strict=True)):
                self.close()
            else:
                state.files = files
        return bool(super().connect(reuse_if_open))

    def _connect(self) -> Any:
        files = identity(self.database)
        if files[0] is None and self._was_there:
            raise OperationalError("The file of the database is gone.")
        connection = super()._connect()  # type: ignore[misc]  # peewee has no types
        self._state.files = identity(self.database)  # type: ignore[attr-defined]  # peewee has no types
        self._was_there = True
        return connection

    _was_there = False


def identity(path: str) -> list[int | None]:
    """Return what tells the file of an SQLite database and its shared memory from any that take their place.

    The memory comes and goes with the connections; None stands for what is not there.
    """
    inodes: list[int | None] = []
    for file in (path, f"{path}-shm"):
        try:
            # Asked before each answer: a `Path` takes three times as long.
            inodes.append(os.stat(file).st_ino)  # noqa: PTH116
        except OSError:
            inodes.append(None)
    return inodes


def open_database(url: str) -> Database:
    """Return an unconnected database for `url` (`sqlite:///path` or `postgresql://...`).

    Databases that are open in one process at the same time have to be of one kind.
    """
    opened = open_sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else _open_postgresql(url)
    # Fields for JSON and bytes adapt to the kind of database.
    database.initialize(opened)
    return opened


def open_sqlite(path: str) -> Database:
    """Return an unconnected database in the file at `path`, which need not be there."""
    file = (SqliteDatabase if path == MEMORY else SqliteFile)(
        path,
        # A deferred transaction that reads and then writes fails at once when another writer came between.
        lock_type="IMMEDIATE",
        autoconnect=False,
        pragmas={
            "busy_timeout": 15_000,
            "foreign_keys": 1,
            # Who may do what survives a power cut: a removed role must not come back.
            "synchronous": "full",
            # Kilobytes, for each thread: more is no faster, as the system has the file in memory too.
            "cache_size": -1_000,
        },
    )
    file.register_function(_lower, "lower", 1, deterministic=True)
    if path != MEMORY:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # The file remembers it. Of several that do this at once, SQLite turns all but one away without any wait.
        with file_lock(path), file.connection_context():
            file.execute_sql("pragma journal_mode = wal")
            # Until nobody in this process has the database any more, none is put in its place.
            weakref.finalize(file, os.close, _shared_use(path))
    return file


def _open_postgresql(url: str) -> Database:
    try:
        # Read as `psql`, and what listens for changes, read it: a password may hold %40 for @.
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # What the library says may repeat the password.
        raise SettingError(
            "DATABASE_URL is not an address of PostgreSQL. In its password, write % as %25, @ as %40, : as %3A and / as"
            " %2F."
        ) from error
    pool: Database = _PostgresqlPool(
        parts.pop("dbname", None) or parts.get("user", ""),
        **{**TIMEOUTS, **parts},
        prefer_psycopg3=True,
        autoconnect=False,
        max_connections=_CONNECTION_LIMIT,
        timeout=10,
        stale_timeout=300,
    )
    return pool


def _lower(text: str | None) -> str | None:
    """Do what SQLite's own does for ASCII alone, so that ZOË finds Zoë."""
    return None if text is None else text.lower()


def bind(url: str) -> None:
    """Make `url` the database of this process, beside whatever else it runs on."""
    runtime = current() if is_in_use() else Runtime(settings=Settings(), database=open_database(url))
    settings = replace(runtime.settings, database_url=url)
    use(replace(runtime, settings=settings, database=open_database(url)))


def is_postgresql() -> bool:
    """Return whether the bound database is PostgreSQL."""
    return isinstance(database.obj, PostgresqlDatabase)


def sqlite_file() -> Path | None:
    """Return the file of the bound database; None on PostgreSQL, and for a database in memory."""
    is_file = not is_postgresql() and database.obj.database != MEMORY
    return Path(database.obj.database) if is_file else None


def release_idle() -> None:
    """Give up the connections that this process keeps for later and nobody uses: they may have been cut."""
    if isinstance(database.obj, PooledDatabase):
        database.obj.close_idle()


def release() -> None:
    """Give up the connections that this process keeps for later."""
    if isinstance(database.obj, PooledDatabase):
        database.obj.close_all()


@contextmanager
def connected() -> Iterator[None]:
    """Hold a connection for the block and give it back after, unless one was open already."""
    opened = database.connect(reuse_if_open=True)
    try:
        yield
    finally:
        if opened:
            database.close()


@contextmanager
def staying_connected() -> Iterator[None]:
    """Hold a connection for the block, which on SQLite stays open for this thread: opening takes longer than to read.

    One to a PostgreSQL server goes back to the pool, which notices when the server has been away.
    """
    if is_postgresql():
        with connected():
            yield
    else:
        database.connect(reuse_if_open=True)
        yield


@contextmanager
def reading() -> Iterator[None]:
    """Run the block on a snapshot of the database, whatever is changed meanwhile. Nests.

    Facts come from several queries. Half from before a change and half from after it, they would be facts that never
    held together, and could allow what was never allowed.
    """
    if database.in_transaction():
        yield
        return
    with database.atomic("REPEATABLE READ" if is_postgresql() else "DEFERRED"):
        yield


@contextmanager
def changing() -> Iterator[None]:
    """Run the block as one transaction under the writers' lock; an exception undoes all of it. Nests.

    Triggers count the changes that are made without an event; these are none of them.
    """
    with nullcontext() if database.in_transaction() else database_seconds.time(), database.atomic():
        if is_postgresql():
            lock = "select pg_advisory_xact_lock(%s), set_config('tessera.recorded', 'on', true)"
            database.execute_sql(lock, (_WRITER_LOCK,))
            yield
        else:
            (unrecorded,) = database.execute_sql("select number from unrecorded_changes").fetchone()
            yield
            database.execute_sql("update unrecorded_changes set number = ?", (unrecorded,))


def connections() -> int:
    """Return how many connections of the pool are in use; on SQLite each thread has one of its own, and none counts."""
    pool = database.obj
    return len(pool._in_use) if isinstance(pool, PooledDatabase) else 0  # noqa: SLF001  (peewee has no other way)


def notify(channel: str) -> None:
    """Notify the listeners of `channel` once this transaction is committed. On SQLite they notice by themselves."""
    if is_postgresql():
        database.execute_sql("select pg_notify(%s, '')", (channel,))


@contextmanager
def appending() -> Iterator[None]:
    """Run the block as one transaction that only adds to what no decision is made of, such as a log of decisions.

    It makes no revision, so its order among the changes does not matter, and PostgreSQL lets it run beside them.
    """
    with database.atomic():
        yield


def change(operation: Callable[P, R]) -> Callable[P, R]:
    """Decorate an operation: all of it happens in one transaction, or none of it."""

    @wraps(operation)
    def in_one_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        with changing():
            return operation(*args, **kwargs)

    return in_one_transaction


@contextmanager
def unshared(path: str) -> Iterator[bool]:
    """Run the block while no process opens the SQLite database at `path`, and say whether none has it open."""
    with file_lock(path):
        descriptor = os.open(f"{path}.use", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)


def _shared_use(path: str) -> int:
    descriptor = os.open(f"{path}.use", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


@contextmanager
def file_lock(path: str) -> Iterator[None]:
    """Run the block while no other process runs one for the database in the file `path`."""
    with Path(f"{path}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
