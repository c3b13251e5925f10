import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from pkgutil import iter_modules
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from peewee import PeeweeException
from playhouse.schema_diff import diff_models

import app
from app.accounts.models import Attempts
from app.kernel import database as kernel
from app.kernel.database import BaseModel, UTCDateTimeField, changing, connected
from tests.conftest import ON_POSTGRESQL

MIGRATE = """
import json, sys
from app.kernel import database
print("ready", flush=True)
sys.stdin.readline()
database.bind(sys.argv[1])
print(json.dumps(database.migrate()))
"""


def models() -> list[type[BaseModel]]:
    for room in iter_modules(app.__path__, "app."):
        if room.ispkg:
            for module in iter_modules([f"{app.__path__[0]}/{room.name.removeprefix('app.')}"], f"{room.name}."):
                if module.name.endswith(".models"):
                    __import__(module.name)
    return BaseModel.__subclasses__()


def test_the_migrations_make_the_tables_of_the_models(database: None) -> None:
    assert len(models()) > 10
    assert str(diff_models(kernel.database.obj, models()) or "") == ""


@pytest.mark.skipif(ON_POSTGRESQL, reason="one database is enough to compare what was written down")
def test_the_migrated_columns_are_of_the_kind_that_the_models_say(database: None) -> None:
    fresh = kernel.open_database("sqlite:///:memory:")
    with fresh.connection_context(), fresh.bind_ctx(models()):
        fresh.create_tables(models())
        meant = {table: columns(fresh, table) for table in fresh.get_tables()}
    assert {table: columns(kernel.database.obj, table) for table in meant} == meant


def columns(database: Any, table: str) -> list[Any]:
    """Return what the columns of a table are, but for the lengths of texts, which SQLite does not heed."""
    return [re.sub(r"\(\d+\)", "", str(column)) for column in sorted(database.get_columns(table))]


@pytest.mark.slow
def test_of_three_that_start_at_once_one_migrates(database_url: str) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [starter.stdout and starter.stdout.readline() for starter in starters] == ["ready\n"] * 3
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("go\n")
        starter.stdin.flush()
    applied = [json.loads(starter.communicate(timeout=60)[0]) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert sorted(len(names) for names in applied)[:2] == [0, 0]
    assert len(max(applied, key=len)) == len(list(kernel.MIGRATIONS.glob("0*.py")))


@pytest.mark.slow
def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    together = Barrier(8)

    def open_first(number: int) -> None:
        together.wait()
        kernel.open_database(f"sqlite:///{tmp_path}/{number}/new.db")

    for number in range(100):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(open_first, [number] * 8))


def test_a_database_says_which_migrations_it_lacks(database_url: str) -> None:
    kernel.bind(database_url)
    with connected():
        assert kernel.pending_migrations()[0] == "0001_the_house"
        kernel.migrate()
        assert kernel.pending_migrations() == []
    kernel.release()


def test_a_naive_moment_is_refused(database: None) -> None:
    with pytest.raises(ValueError, match="time zone"), changing():
        Attempts.create(key_hash="naive", since=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_moment_comes_back_as_it_was_wherever_it_was_written_down(database: None) -> None:
    moment = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    if kernel.is_postgresql():
        kernel.database.execute_sql("set time zone 'Asia/Tokyo'")
    with changing():
        Attempts.create(key_hash="aware", since=moment)
    read = Attempts.get(Attempts.key_hash == "aware").since
    assert read == moment
    assert read.tzinfo is UTC
    assert isinstance(Attempts.since, UTCDateTimeField)


@pytest.mark.slow
@pytest.mark.skipif(
    not ON_POSTGRESQL, reason="a process that is stopped keeps SQLite's lock, and only its end frees it"
)
def test_a_writer_that_says_nothing_more_stops_nobody_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = kernel.TIMEOUTS["options"]
    monkeypatch.setitem(kernel.TIMEOUTS, "options", str(usual).replace("session_timeout=10s", "session_timeout=1s"))
    kernel.bind(database_url)
    kernel.migrate()
    holds, may_go_on = Event(), Event()

    def say_nothing_more() -> None:
        with connected(), changing():
            holds.set()
            may_go_on.wait()
            Attempts.create(key_hash="too late", since=datetime.now(UTC))

    with ThreadPoolExecutor(1) as pool:
        silent = pool.submit(say_nothing_more)
        holds.wait()
        try:
            with connected(), changing():
                Attempts.create(key_hash="in time", since=datetime.now(UTC))
        finally:
            may_go_on.set()
        with pytest.raises(PeeweeException):
            silent.result()
    with connected():
        assert [row.key_hash for row in Attempts.select()] == ["in time"]
    kernel.release()


def test_an_exception_undoes_the_whole_change(database: None) -> None:
    def fail() -> None:
        with changing():
            Attempts.create(key_hash="outer", since=datetime.now(UTC))
            with changing():
                Attempts.create(key_hash="inner", since=datetime.now(UTC))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert Attempts.select().count() == 0


def test_a_change_within_a_change_can_fail_alone(database: None) -> None:
    def fail() -> None:
        with changing():
            Attempts.create(key_hash="inner", since=datetime.now(UTC))
            raise ZeroDivisionError

    with changing():
        Attempts.create(key_hash="outer", since=datetime.now(UTC))
        with pytest.raises(ZeroDivisionError):
            fail()
    assert [row.key_hash for row in Attempts.select()] == ["outer"]


def test_writers_that_read_first_come_one_after_the_other(database: None) -> None:
    with changing():
        Attempts.create(key_hash="shared", since=datetime.now(UTC))
    together = Barrier(4)

    def count_up() -> None:
        with connected():
            together.wait()
            for _ in range(25):
                with changing():
                    row = Attempts.get(Attempts.key_hash == "shared")
                    row.count += 1
                    row.save()

    threads = [Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Attempts.get(Attempts.key_hash == "shared").count == 100
