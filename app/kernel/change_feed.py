"""Notices changes of the database by others, at so little cost that every decision can look first."""

import ctypes
import os
import sqlite3
import struct
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import psycopg
from psycopg.conninfo import make_conninfo

from app.kernel import database
from app.runtime import settings

CHANNEL = "tessera"
"""The channel on which PostgreSQL announces new revisions; see `audit.operations.record`."""

_POLL_SECONDS = 1.0
"""How long a lost notification may stay unnoticed on PostgreSQL."""

_FILES_SECONDS = 0.01
"""How long another file in the place of an SQLite database may stay unnoticed."""

_HEADER_BYTES = 48
_HEADER_VERSION = 3007000
_MAP_FIELDS = 6
"""Of a line in `/proc/self/maps` that names a file: addresses, permissions, offset, device, inode, path."""


class SqliteWatch:
    """Notices that any other connection to the database, of this process or another, has committed.

    In WAL mode every commit ends with writing a header into memory that all connections share ("WAL-mode File Format",
    section 2.1, in SQLite's manual), whose counter, sums and salts never repeat. While it is the same to the byte,
    nothing was committed. To compare it takes a fifth of a microsecond; to have SQLite do so (`PRAGMA data_version`)
    takes three and lets another thread go first, which cost a tenth of all answers over HTTP. Where that memory is not
    found, SQLite is asked.

    A header that is just being written is neither the old nor the new one, so it counts as a change, and so does the
    new one after it. The connection is kept because it keeps the memory; it is used for nothing else. One thread may
    ask at a time.

    Another file that takes the place of the database, or of the memory, is a change, too: then the watch is over that.
    Whether there is one is looked at every ten milliseconds, because to ask the system takes thirty times as long as to
    compare the header.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._header: ctypes.Array[ctypes.c_char] | None = None
        self._files: list[int | None] | None = None
        self._look_at_files = 0.0
        self._seen: bytes | int | None = None
        self._open()

    def has_changed(self) -> bool:
        """Return whether there was a commit since the last time; the first time there was."""
        if monotonic() >= self._look_at_files and self._is_another_file():
            return True
        now = self._header.raw if self._header is not None else self._data_version()
        changed = now != self._seen
        self._seen = now
        return changed

    def _is_another_file(self) -> bool:
        self._look_at_files = monotonic() + _FILES_SECONDS
        if database.identity(self._path) == self._files:
            return False
        self._open()
        return True

    def close(self) -> None:
        """Give the connection back, and the memory with it."""
        self._header = None
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> None:
        """Watch the file that is there now. Where none is, whoever looks into the database meets the error."""
        self.close()
        self._files = self._seen = None
        self._look_at_files = 0.0
        # A file that is not there must not be made: it would be empty.
        address = f"{Path(self._path).absolute().as_uri()}?mode=rw"
        with suppress(sqlite3.OperationalError):
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
            # Only the first look makes SQLite share the memory.
            self._data_version()
            self._header = _shared_header(self._path)
            self._files = database.identity(self._path)

    def _data_version(self) -> int:
        assert self._connection is not None
        (version,) = self._connection.execute("pragma data_version").fetchone()
        return int(version)


def _shared_header(path: str) -> "ctypes.Array[ctypes.c_char] | None":
    """Return the header that the connections to the SQLite database at `path` share, where this process has it mapped.

    It is found by address. To open the file would be easier, but to close it again would take from this process
    the locks that SQLite holds on it.
    """
    wanted = f"{os.path.realpath(path)}-shm"
    try:
        mapped = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    for line in mapped.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == _MAP_FIELDS and fields[5] == wanted and int(fields[2], 16) == 0:
            header = (ctypes.c_char * _HEADER_BYTES).from_address(int(fields[0].partition("-")[0], 16))
            version, is_ready = struct.unpack_from("=I8xB", header.raw)
            return header if (version, is_ready) == (_HEADER_VERSION, 1) else None
    return None


class PostgresqlWatch:
    """Listens, on a connection of its own, for the notifications that changes send.

    Where nothing can be heard, everything may have changed: then each decision looks into the database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard = True
        self._listens = False
        self._closed = False
        self._looked_at = 0.0
        Thread(target=self._listen, name="revisions", daemon=True).start()

    def has_changed(self) -> bool:
        """Return whether there may have been a change since the last time."""
        now = monotonic()
        if self._heard or not self._listens or now - self._looked_at > _POLL_SECONDS:
            # Taken down before the database is looked at: a notification that comes meanwhile puts it up again.
            self._heard = False
            self._looked_at = now
            return True
        return False

    def close(self) -> None:
        """End the listening; the thread goes within a second."""
        self._closed = True

    def _listen(self) -> None:
        address = make_conninfo(self._url, **database.TIMEOUTS)
        while not self._closed:
            with suppress(psycopg.Error), psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"listen {CHANNEL}")
                # Whatever was sent before this moment was not heard.
                self._heard = True
                self._listens = True
                while not self._closed:
                    for _notification in connection.notifies(timeout=_POLL_SECONDS):
                        self._heard = True
            self._listens = False
            if not self._closed:
                sleep(_POLL_SECONDS)


def watch() -> SqliteWatch | PostgresqlWatch:
    """Return a watch over the bound database, for this process alone: it must not be carried through a fork."""
    url = settings().database_url
    return PostgresqlWatch(url) if database.is_postgresql() else SqliteWatch(url.removeprefix("sqlite:///"))
