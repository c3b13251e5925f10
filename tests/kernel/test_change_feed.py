"""No commit to SQLite goes unnoticed, whoever makes it, and however one looks."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.kernel import change_feed
from app.kernel.change_feed import SqliteWatch

# They wait for other threads and processes.
pytestmark = pytest.mark.slow

Do = Callable[[str], object]

CHANGES = [
    "insert into notes values (1)",
    "update notes set number = 2",
    "begin; insert into notes values (3); insert into notes values (4); commit",
    "create table others (number)",
    "pragma wal_checkpoint(truncate); insert into notes values (5)",
    "vacuum",
]
NOT_CHANGES = [
    "select * from notes",
    "begin immediate; insert into notes values (1); rollback",
    "pragma wal_checkpoint(passive)",
]


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "notes of a school.db"
    with opened(path) as connection:
        connection.executescript("pragma journal_mode = wal; create table notes (number); insert into notes values (0)")
    connection.close()
    return path


@pytest.fixture(params=["memory", "pragma"])
def watch(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteWatch]:
    if request.param == "pragma":
        monkeypatch.setattr(change_feed, "_shared_header", lambda _path: None)
    watch = SqliteWatch(str(path))
    assert (watch._header is not None) is (request.param == "memory")
    yield watch
    watch.close()


@pytest.fixture(params=["same process", "other process"])
def do(request: pytest.FixtureRequest, path: Path) -> Iterator[Do]:
    """Run statements in a connection that stays, or in a process that comes and goes."""
    if request.param == "same process":
        connection = opened(path)
        yield connection.executescript
        connection.close()
    else:
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).executescript(sys.argv[2])"
        yield lambda statements: subprocess.run([sys.executable, "-c", program, path, statements], check=True)


def test_the_first_look_finds_everything_new_and_the_next_one_nothing(watch: SqliteWatch) -> None:
    assert [watch.has_changed() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("statements", CHANGES)
def test_a_commit_is_noticed_once(watch: SqliteWatch, do: Do, statements: str) -> None:
    watch.has_changed()
    do(statements)
    assert [watch.has_changed() for _ in range(2)] == [True, False]


@pytest.mark.parametrize("statements", NOT_CHANGES)
def test_without_a_commit_there_is_nothing_to_notice(watch: SqliteWatch, do: Do, statements: str) -> None:
    do("insert into notes values (9)")
    watch.has_changed()
    do(statements)
    assert watch.has_changed() is False


def test_every_one_of_many_commits_is_noticed_across_new_beginnings_of_the_log(path: Path, watch: SqliteWatch) -> None:
    writer, others = opened(path), opened(path)
    watch.has_changed()
    for number in range(2000):
        writer.execute("insert into notes values (?)", (number,))
        assert watch.has_changed(), number
        if number % 300 == 0:
            others.execute("pragma wal_checkpoint(restart)")
    writer.close()
    others.close()


def test_a_writer_that_is_killed_after_its_commit_has_been_noticed_all_the_same(path: Path, watch: SqliteWatch) -> None:
    watch.has_changed()
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " c.execute('insert into notes values (7)'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
    assert watch.has_changed()


def test_where_the_log_is_of_another_kind_sqlite_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    connection = opened(path)
    connection.execute("create table notes (number)")
    watch = SqliteWatch(str(path))
    assert watch._header is None
    watch.has_changed()
    connection.execute("insert into notes values (1)")
    assert [watch.has_changed() for _ in range(2)] == [True, False]
    watch.close()
    connection.close()


@pytest.mark.parametrize("header", [(1).to_bytes(4, sys.byteorder) + bytes(44), bytes(48)], ids=["other", "unready"])
def test_memory_of_a_form_that_is_not_known_is_left_alone(header: bytes, tmp_path: Path) -> None:
    import mmap

    shared = tmp_path / "odd.db-shm"
    shared.write_bytes(header + bytes(mmap.PAGESIZE - len(header)))
    with shared.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE):
        assert change_feed._shared_header(str(tmp_path / "odd.db")) is None
