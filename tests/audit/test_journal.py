"""From the journal to where decisions are kept, and what is deleted there."""

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.audit import decision_log, decision_mover, decision_store, journal
from app.audit.decision_codec import LoggedDecision, entries_text, pack
from app.audit.decision_log import DecisionLog, NotLoggedError
from app.audit.decision_mover import DecisionMover, deletable_before, move_all
from app.audit.decision_writer import DecisionWriter
from app.audit.models import DecisionBatch
from app.audit.queries import find
from app.config import DecisionLogging
from app.vocabulary import Reason
from tests.waiting import until

NOW = datetime(2027, 5, 3, 12, tzinfo=UTC)
ITEM: LoggedDecision = ("person:7", "launch", "service:training", "", True, Reason.ALLOWED, "0123456789ab", 1, None)

Write = Callable[..., Path]


@pytest.fixture
def written(database: None) -> Write:
    """A way to write a file of the journal, whose process is gone afterwards: one batch for each moment."""

    def write(writer: str, *moments: datetime, size: int = 1) -> Path:
        files = DecisionWriter(writer, None)
        for number, moment in enumerate(moments, 1):
            files.append([(number, moment.timestamp(), "client:training", 1, [ITEM] * size)])
        files.close()
        [path] = journal.segments(writer)
        return path

    return write


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that keeps nothing until the event is set."""
    works_again = threading.Event()
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: works_again.wait(60) and sync(file))
    yield works_again
    works_again.set()


def kept(writer: str) -> list[DecisionBatch]:
    return [row for row in decision_store.all_rows() if row.writer == writer]


def test_of_a_file_that_ends_in_the_middle_everything_before_counts(written: Write) -> None:
    path = written("torn", NOW, NOW)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert find("torn-1")
    assert find("torn-2") is None
    # A disk that lost its power may have kept the length and not the rest.
    path.write_bytes(whole[:-10] + bytes(10))
    assert find("torn-2") is None
    move_all()
    assert find("torn-1")
    assert find("torn-2") is None
    assert journal.segments() == []


def test_a_write_that_failed_in_the_middle_leaves_nothing(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    files = DecisionWriter("half", None)
    entry = (1, NOW.timestamp(), "client:training", 1, [ITEM])
    files.append([entry])
    write = os.write

    def write_half(file: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(file, data[: len(data) // 2])

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", write_half)
        with pytest.raises(OSError, match="No space"):
            files.append([(2, *entry[1:])])
    files.append([(3, *entry[1:])])
    files.close()
    [path] = journal.segments("half")
    assert [frame.first for frame in journal.frames(path)] == [1, 3]


def test_a_file_in_use_stays_where_it_is(database: None) -> None:
    files = DecisionWriter("living", None)
    files.append([(1, NOW.timestamp(), "client:training", 1, [ITEM])])
    move_all()
    assert kept("living") == []
    assert find("living-1")
    files.close()
    move_all()
    assert len(kept("living")) == 1
    assert find("living-1")


def test_a_new_file_that_another_process_takes_for_one_that_is_left_is_not_written_to(database: None) -> None:
    journal.folder().mkdir(exist_ok=True)
    first = journal.folder() / "taken-000000001.journal"
    first.touch()
    files = DecisionWriter("taken", None)
    files.append([(1, NOW.timestamp(), "client:training", 1, [ITEM])])
    files.close()
    assert first.stat().st_size == 0
    assert find("taken-1")


def test_a_file_that_was_moved_when_it_was_shorter_loses_nothing(written: Write) -> None:
    path = written("grown", NOW, NOW)
    whole = list(journal.frames(path))
    for frames in (whole[:1], whole, whole[:1]):
        decision_store.keep("grown", frames)
    path.unlink()
    [row] = kept("grown")
    assert (row.first, row.last) == (1, 2)
    assert find("grown-2")


def test_what_was_refused_is_not_in_the_log(
    database: None, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging.DURABLE: 0.3})
    log = DecisionLog(DecisionLogging.DURABLE)
    with pytest.raises(NotLoggedError):
        log.write(NOW.timestamp(), "client:training", 1, ITEM)
    [path] = journal.segments(log.writer)
    # It was written before it was refused.
    assert [frame.first for frame in journal.frames(path)][:1] == [1]
    stuck.set()
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging.DURABLE: 60})
    given = log.write(NOW.timestamp(), "client:training", 1, ITEM)
    for _ in ("in the journal", "moved"):
        assert find(f"{log.writer}-1") is None
        assert find(given)
        log.close()


def test_a_disk_that_keeps_nothing_at_all_ends_the_answers_until_it_does(
    database: None, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_SYNC_SECONDS", 0.3)
    log = DecisionLog()
    given: list[str] = []

    def answer_on() -> None:
        while True:
            given.append(log.write(NOW.timestamp(), "client:training", 1, ITEM))
            log.flush()

    with pytest.raises(NotLoggedError):
        answer_on()
    assert not log.keeps_up
    stuck.set()
    until(lambda: log.keeps_up)
    given.append(log.write(NOW.timestamp(), "client:training", 1, ITEM))
    assert len(given) > 1
    log.close()
    # What was refused was not even written.
    logged = [json.loads(zlib.decompress(bytes(row.payload)))["entries"] for row in kept(log.writer)]
    assert sum(map(len, logged)) == len(given)


@pytest.mark.one_database
def test_a_decision_is_found_at_once_beside_any_number_of_others_of_its_process(written: Write) -> None:
    payload = pack([entries_text([(1_990, NOW.timestamp(), "client:training", 1, [ITEM])], {})], [])
    with decision_store._open(decision_store._current()) as store:
        with store.atomic():
            for number in range(1, 2_000):
                row = {"writer": "old", "first": number, "last": number, "started_at": NOW, "ended_at": NOW}
                DecisionBatch.insert(row, payload=payload if number == 1_990 else b"").execute(store)
        steps: list[None] = []
        store.connection().set_progress_handler(lambda: steps.append(None), 10)
        assert find("old-1990")
    # Hundreds of steps of SQLite, and not tens of thousands.
    assert 0 < len(steps) < 100


def test_what_cannot_be_moved_is_said_until_it_is_and_keeps_nothing_else_from_it(
    written: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for writer in ("bad", "good"):
        written(writer, NOW)
    keep = decision_store.keep

    def keep_good(writer: str, frames: list[journal.Frame]) -> None:
        if writer == "bad":
            raise ConnectionError
        keep(writer, frames)

    mover = DecisionMover(days=90, event_days=30, max_bytes=0)
    with monkeypatch.context() as broken:
        broken.setattr(decision_store, "keep", keep_good)
        for _ in range(3):
            mover._pass()
    assert len(mover.warnings) == 1
    assert caplog.text.count("decisions stay in the journal") == 1
    assert [len(kept(writer)) for writer in ("bad", "good")] == [0, 1]
    mover._pass()
    assert mover.warnings == []
    assert len(kept("bad")) == 1


@pytest.mark.parametrize("days_old", [1, 100])
def test_what_an_earlier_release_has_stored_is_found_and_deleted_in_its_time(written: Write, days_old: int) -> None:
    moment = NOW - timedelta(days=days_old)
    payload = pack([entries_text([(7, moment.timestamp(), "client:training", 1, [ITEM])], {})], [])
    DecisionBatch.insert(writer="old", first=7, last=7, started_at=moment, ended_at=moment, payload=payload).execute()
    written("new", NOW)
    move_all()
    assert find("old-7")
    assert decision_store.ends() == (moment, NOW)
    before = deletable_before(NOW, timedelta(days=90), moment, NOW)
    assert (before is None) is (days_old == 1)
    decision_store.delete_before(before or NOW - timedelta(days=90), limit=10)
    assert (find("old-7") is None) is (days_old == 100)
    assert find("new-1")


def test_a_clock_that_runs_ahead_deletes_next_to_nothing() -> None:
    day = timedelta(days=1)
    oldest = NOW - 90 * day
    ahead = NOW + 100 * day
    assert deletable_before(NOW, 90 * day, oldest, NOW) is None
    # Nothing was answered yet at that time, or something was, or the clock is right again after that.
    assert deletable_before(ahead, 90 * day, oldest - 5 * day, NOW) is None
    assert deletable_before(ahead, 90 * day, oldest, ahead) == oldest + timedelta(hours=2)
    assert deletable_before(NOW + day, 90 * day, oldest, ahead) == oldest + timedelta(hours=2)
    assert deletable_before(NOW, 30 * day, oldest, NOW) == oldest + timedelta(hours=2)


def test_old_decisions_are_deleted_once_an_hour_on_a_machine(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(decision_mover, "_FIRST_RETENTION_SECONDS", 0)
    for hours in (0, 1, 5):
        written(f"old{hours}", now - timedelta(days=40) + timedelta(hours=hours))
    written("new", now)
    for _ in range(2):
        DecisionMover(days=30, event_days=30, max_bytes=0)._pass()
        assert [find(f"{name}-1") is None for name in ("old0", "old1", "old5", "new")] == [True, True, False, False]
    os.utime(journal.folder() / "retention", (0, now.timestamp() - 3601))
    DecisionMover(days=30, event_days=30, max_bytes=0)._pass()
    assert find("old5-1") is None
    assert find("new-1")


def test_a_log_that_is_too_large_loses_its_oldest_and_says_so_before(written: Write) -> None:
    for day in range(4):
        written(f"day{day}", NOW + timedelta(days=day), size=500)
    move_all()
    sizes = decision_store.sizes({})
    assert len(sizes) == 4
    assert sum(sizes.values()) == sum(len(bytes(row.payload)) for row in decision_store.all_rows())
    total = sum(sizes.values())
    for limit, said, left in (
        (2 * total, False, 4),
        (total + 1, True, 4),
        (total - 1, True, 3),
        (total // 2 + 50, True, 2),
    ):
        mover = DecisionMover(days=90, event_days=30, max_bytes=limit)
        mover._pass()
        assert bool(mover.warnings) is said
        assert [find(f"day{day}-1.500") is not None for day in range(4)] == [day >= 4 - left for day in range(4)]
