from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest
from peewee import PeeweeException

from app.accounts.models import Attempts
from app.kernel import database as kernel
from app.kernel.database import UTCDateTimeField, changing, connected
from app.kernel.schema import migrate
from tests.conftest import ON_POSTGRESQL
from tests.running import restored


@pytest.mark.slow
def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    together = Barrier(8)

    def open_first(number: int) -> None:
        together.wait()
        kernel.open_database(f"sqlite:///{tmp_path}/{number}/new.db")

    for number in range(100):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(open_first, [number] * 8))


def test_an_address_may_hold_any_password() -> None:
    url = "postgresql://o%40ne:p%25a%2Fs%3As@db.example.org:5433/the%20one?sslmode=require"
    with restored():
        opened = kernel.open_database(url)
        # As the programs of PostgreSQL understand it, which make and read backups.
        assert opened.database == "the one"
        wanted = {"user": "o@ne", "password": "p%a/s:s", "host": "db.example.org", "port": "5433", "sslmode": "require"}
        assert {name: opened.connect_params[name] for name in wanted} == wanted


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
    migrate()
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
