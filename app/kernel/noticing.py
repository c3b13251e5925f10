"""Noticing that somebody else has changed the database, for little enough to look before every decision."""

import sqlite3
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep

import psycopg

from app.kernel import database

CHANNEL = "tessera"
"""Where PostgreSQL tells who listens that there is a new revision; see `audit.operations.record`."""

_POLL_SECONDS = 1.0
"""How long a lost notification may stay unnoticed on PostgreSQL."""


class SqliteWatch:
    """Asks SQLite whether any other connection, of this process or another, has committed.

    `PRAGMA data_version` looks at shared memory and takes a few microseconds. It compares only with what the same
    connection saw before, so this one is kept, and is used for nothing else. One thread may ask at a time.
    """

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._cursor = self._connection.cursor()
        self._seen = -1

    def has_changed(self) -> bool:
        """Return whether there was a commit since the last time; the first time there was."""
        (version,) = self._cursor.execute("pragma data_version").fetchone()
        changed = bool(version != self._seen)
        self._seen = version
        return changed

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


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
        while not self._closed:
            with suppress(psycopg.Error), psycopg.connect(self._url, autocommit=True) as connection:
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
    url = database.bound_url()
    return PostgresqlWatch(url) if database.is_postgresql() else SqliteWatch(url.removeprefix("sqlite:///"))
