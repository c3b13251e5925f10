import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.audit import decision_codec, decision_log, decision_mover, decision_store, journal
from app.audit.decision_codec import LoggedDecision, Steps
from app.audit.decision_log import DecisionLog, NotLoggedError
from app.audit.models import DecisionBatch, DecisionPath, Event
from app.audit.operations import delete_events, record
from app.audit.queries import find
from app.config import DecisionLogging
from app.kernel import clock
from app.kernel.database import connected
from app.vocabulary import EventName, Reason
from tests.api.conftest import KEY, question
from tests.conftest import ON_POSTGRESQL
from tests.waiting import until

# They wait for other threads and processes.
pytestmark = pytest.mark.slow

MOMENT = datetime.now(UTC).replace(microsecond=250_000)
AT = MOMENT.timestamp()
CLIENT = "client:submit-for-assessment"
POLICY = "0123456789ab"
STEPS = [("the person's state", "active"), ("the service's state", "hidden")]

NewLog = Callable[..., DecisionLog]


def item(
    number: int = 7, *, allowed: bool = True, leaf: int | Steps | None = None, policy: str = POLICY
) -> LoggedDecision:
    reason = Reason.ALLOWED if allowed else Reason.ROLE_ENDED
    return (f"person:{number}", "launch", "service:training", "northfield", allowed, reason, policy, 1_250_000, leaf)


@pytest.fixture
def new_log(database: None) -> Iterator[NewLog]:
    """A way to make logs that are closed in the end."""
    made: list[DecisionLog] = []

    def new(promise: str = "required", **more: Any) -> DecisionLog:
        made.append(DecisionLog(DecisionLogging(promise), **more))
        return made[-1]

    yield new
    for log in made:
        log.close()


@pytest.fixture
def log(new_log: NewLog) -> DecisionLog:
    return new_log()


@pytest.fixture
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a test does happens before an answer would have to wait for those before it."""
    monkeypatch.setattr(decision_log, "_LATE_SECONDS", 1000)


@pytest.fixture
def away(database: None) -> Iterator[None]:
    """The disk takes nothing: a file is in the place of the journal."""
    journal.folder().write_text("")
    yield
    come_back()


def come_back() -> None:
    if journal.folder().is_file():
        journal.folder().unlink()


def rows(log: DecisionLog) -> list[DecisionBatch]:
    """Return what is kept, once the log has ended and nothing is left in the journal."""
    log.close()
    assert journal.segments() == []
    return decision_store.all_rows()


def paths() -> list[DecisionPath]:
    found: list[DecisionPath] = []
    for one in decision_store._all():
        with decision_store._open(one) as store:
            found += DecisionPath.select().execute(store)
    return found


def test_a_decision_is_found_again_with_everything_that_was_written(log: DecisionLog) -> None:
    given = log.write(AT, CLIENT, 42, item(allowed=False))
    log.flush()
    assert find(given) == decision_codec.DecisionRecord(
        id=given,
        at=MOMENT,
        client=CLIENT,
        subject="person:7",
        action="launch",
        resource="service:training",
        organisation="northfield",
        allowed=False,
        reason=Reason.ROLE_ENDED,
        policy=POLICY,
        revision=42,
        milliseconds=1.25,
        steps=None,
    )


def test_every_decision_of_a_batch_has_an_id_of_its_own(log: DecisionLog) -> None:
    before = log.write(AT, CLIENT, 1, item(0))
    ids = log.write_all(AT, CLIENT, 2, [item(number) for number in range(1, 101)])
    after = log.write(AT, CLIENT, 3, item(101))
    log.flush()
    assert len({before, *ids, after}) == 102
    found = [find(one) for one in (before, *ids, after)]
    assert [one and one.id for one in found] == [before, *ids, after]
    assert [one and one.subject for one in found] == [f"person:{number}" for number in range(102)]
    assert [one and one.revision for one in found] == [1, *[2] * 100, 3]


def test_no_questions_are_no_decisions(log: DecisionLog) -> None:
    assert log.write_all(AT, CLIENT, 1, []) == []
    assert rows(log) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", "-", "7", "nobody", "nobody-1", "{writer}", "{writer}-", "{writer}-0", "{writer}-3", "{writer}-1.2"),
        *("{writer}-2.4", "{writer}-2.0", "{writer}-2.01", "{writer}--1", "{writer}-+1", "{writer}-1 ", " {writer}-1"),
        *("{writer}-1\n", "{writer}-٣", "{writer}-" + "9" * 30, "{writer}-1\0", "%-1", "'-1"),
    ],
)
def test_what_is_no_id_of_a_decision_finds_nothing(log: DecisionLog, name: str) -> None:
    log.write(AT, CLIENT, 1, item())
    log.write_all(AT, CLIENT, 1, [item()] * 3)
    log.flush()
    assert find(f"{log.writer}-1")
    assert find(f"{log.writer}-2.3")
    assert find(name.format(writer=log.writer)) is None


def test_two_logs_give_no_id_twice(new_log: NewLog) -> None:
    logs = [new_log() for _ in range(20)]
    assert len({log.write(AT, CLIENT, 1, item()) for log in logs}) == 20


def test_a_decision_is_kept_without_anybody_waiting_for_it(log: DecisionLog) -> None:
    given = log.write(AT, CLIENT, 1, item())
    until(lambda: find(given) is not None)


def test_keeping_decisions_changes_nothing(log: DecisionLog) -> None:
    log.write(AT, CLIENT, 1, item())
    log.flush()
    assert Event.select().count() == 0


def test_what_is_written_in_several_batches_becomes_one_row_in_the_order_of_the_answers(log: DecisionLog) -> None:
    first = log.write(AT, CLIENT, 1, item())
    log.flush()
    for number in range(50):
        log.write(AT + number, CLIENT, 1, item(number))
        log.flush()
    [row] = rows(log)
    assert (row.writer, row.first, row.last) == (log.writer, 1, 51)
    assert (row.started_at, row.ended_at) == (MOMENT, MOMENT + timedelta(seconds=49))
    assert find(first)


def test_a_long_row_is_divided(log: DecisionLog) -> None:
    log.write_all(AT, CLIENT, 1, [item()] * 4_000)
    ids = [log.write_all(AT, CLIENT, 1, [item(number)] * 4_000)[-1] for number in range(4)]
    assert len(rows(log)) > 1
    assert [found and found.subject for found in map(find, ids)] == [f"person:{number}" for number in range(4)]


@pytest.mark.slow
def test_threads_that_write_at_once_lose_nothing_and_share_no_id(
    log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight threads that do nothing else may keep the one that writes from its work for longer than an answer waits.
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging.REQUIRED: 60})
    monkeypatch.setattr(decision_log, "_SYNC_SECONDS", 60)
    given: dict[str, int] = {}

    def write(thread: int) -> None:
        for number in range(thread * 1000, thread * 1000 + 500):
            given[log.write(AT, CLIENT, 1, item(number))] = number
            given[log.write_all(AT, CLIENT, 1, [item(0), item(number + 500)])[1]] = number + 500

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    assert len(given) == 8_000
    assert (log._elsewhere, len(log._entries)) == (0, 0)
    sample = list(given.items())[::97]
    assert [(one, find(one).subject) for one, _number in sample] == [  # type: ignore[union-attr]
        (one, f"person:{number}") for one, number in sample
    ]


@pytest.mark.parametrize("text", ["\ud800", "\0", "'\"\\", "äöü€😀", "x" * 1_000, "<b>"])
def test_whatever_a_caller_asks_about_comes_back_as_it_was(log: DecisionLog, text: str) -> None:
    given = log.write(AT, CLIENT, 1, ("unknown", text, text, "", False, Reason.UNKNOWN_ACTION, POLICY, 1, None))
    log.flush()
    found = find(given)
    assert found is not None
    assert (found.action, found.resource) == (text, text)


# A disk that takes nothing


@pytest.mark.slow
def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(
    log: DecisionLog, away: None, in_time: None, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [log.write(AT, CLIENT, 1, item()) for _ in range(3)]
    rounds = log._rounds_begun
    until(lambda: log._rounds_begun > rounds + 1)
    come_back()
    log.flush()
    assert all(map(find, ids))
    # Every attempt fails alike, and is said once.
    assert caplog.text.count("decisions cannot be written: ") == 1
    assert "person:7" not in caplog.text


def test_nothing_is_answered_when_the_buffer_is_full(new_log: NewLog, away: None, in_time: None) -> None:
    log = new_log(capacity=100)
    ids = [log.write(AT, CLIENT, 1, item()) for _ in range(50)]
    ids += log.write_all(AT, CLIENT, 1, [item()] * 49)
    until(lambda: not log._entries)
    with pytest.raises(NotLoggedError):
        log.write_all(AT, CLIENT, 1, [item()] * 2)
    ids.append(log.write(AT, CLIENT, 1, item()))
    for _ in range(3):
        with pytest.raises(NotLoggedError):
            log.write(AT, CLIENT, 1, item())
    assert log.dropped == 0
    come_back()
    log.flush()
    assert all(map(find, ids))
    assert log.write(AT, CLIENT, 1, item())


@pytest.mark.slow
def test_an_answer_waits_while_earlier_ones_are_not_kept_and_is_refused_in_the_end(
    new_log: NewLog, away: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging.REQUIRED: 0.1})
    log = new_log()
    ids = [log.write(AT, CLIENT, 1, item())]
    monkeypatch.setattr(log, "_written_until", monotonic() - 0.3)
    for write in (lambda: log.write(AT, CLIENT, 1, item()), lambda: log.write_all(AT, CLIENT, 1, [item()])):
        with pytest.raises(NotLoggedError):
            write()
    come_back()
    log.flush()
    ids.append(log.write(AT, CLIENT, 1, item()))
    log.flush()
    assert all(map(find, ids))


@pytest.mark.parametrize("promise", ["required", "durable"])
def test_nobody_waits_for_long_when_nothing_has_been_kept_for_long(
    new_log: NewLog, away: None, monkeypatch: pytest.MonkeyPatch, promise: str
) -> None:
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging(promise): 1000})
    log = new_log(promise)
    waited: list[float] = []
    monkeypatch.setattr(log, "_wait_for_round", lambda seconds, _number: waited.append(seconds) or True)
    log.write(AT, CLIENT, 1, item())
    waited.clear()
    monkeypatch.setattr(log, "_written_until", monotonic() - 1000)
    monkeypatch.setattr(log, "_synced_until", monotonic() - 1000)
    monkeypatch.setattr(decision_log, "_SYNC_SECONDS", 10_000)
    log.write(AT, CLIENT, 1, item())
    log.write_all(AT, CLIENT, 1, [item()] * 2)
    assert waited == [decision_log._LATE_SECONDS] * 2


@pytest.mark.parametrize(("promise", "said"), [("required", False), ("durable", False), ("best_effort", True)])
def test_a_log_says_whether_what_is_answered_now_can_be_kept(
    new_log: NewLog, away: None, monkeypatch: pytest.MonkeyPatch, promise: str, said: bool
) -> None:
    monkeypatch.setattr(
        decision_log, "_PATIENCE_SECONDS", {DecisionLogging.REQUIRED: 0.2, DecisionLogging.DURABLE: 0.2}
    )
    log = new_log(promise)
    assert log.keeps_up
    with suppress(NotLoggedError):
        log.write(AT, CLIENT, 1, item())
    monkeypatch.setattr(decision_log, "_SYNC_SECONDS", 0.2)
    until(lambda: monotonic() - log._written_until > 0.2)
    assert log.keeps_up is said
    come_back()
    until(lambda: log.keeps_up)


def test_with_best_effort_everything_is_answered_and_what_is_not_kept_is_counted(
    new_log: NewLog, away: None, caplog: pytest.LogCaptureFixture
) -> None:
    log = new_log("best_effort", capacity=100)
    kept = [log.write(AT, CLIENT, 1, item()) for _ in range(100)]
    until(lambda: not log._entries)
    lost = [*log.write_all(AT, CLIENT, 1, [item()] * 2), log.write(AT, CLIENT, 1, item())]
    assert log.dropped == 3
    come_back()
    log.flush()
    assert all(map(find, kept))
    assert not any(map(find, lost))
    until(lambda: "has dropped 3 decisions" in caplog.text)
    after = log.write(AT, CLIENT, 1, item())
    log.flush()
    assert find(after)
    assert log.dropped == 3


def test_a_buffer_that_is_half_full_does_not_wait_for_its_time(
    new_log: NewLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_INTERVAL_SECONDS", 60)
    log = new_log(capacity=100)
    log.write(AT, CLIENT, 1, item())
    log.flush()
    ids = [log.write(AT, CLIENT, 1, item()) for _ in range(60)]
    until(lambda: find(ids[0]) is not None)


def test_a_durable_log_keeps_before_it_answers(new_log: NewLog) -> None:
    log = new_log("durable")
    for _ in range(3):
        assert find(log.write(AT, CLIENT, 1, item()))
        assert all(map(find, log.write_all(AT, CLIENT, 1, [item()] * 3)))


@pytest.mark.slow
def test_a_durable_log_answers_nothing_that_it_cannot_keep(
    new_log: NewLog, away: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_PATIENCE_SECONDS", {DecisionLogging.DURABLE: 0.3})
    log = new_log("durable")
    with pytest.raises(NotLoggedError):
        log.write(AT, CLIENT, 1, item())
    come_back()
    assert find(log.write(AT, CLIENT, 1, item()))


def test_those_who_wait_for_a_durable_log_share_their_batches(new_log: NewLog) -> None:
    log = new_log("durable")
    ids: list[str] = []

    def write() -> None:
        ids.extend(log.write(AT, CLIENT, 1, item()) for _ in range(10))

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 160
    assert all(map(find, ids))
    [path] = journal.segments(log.writer)
    assert len(list(journal.frames(path))) < 120


# The end of a process


def test_a_log_that_is_closed_has_kept_everything_and_takes_no_more(new_log: NewLog) -> None:
    for promise in ("required", "durable"):
        log = new_log(promise)
        ids = [log.write(AT, CLIENT, 1, item()) for _ in range(10)]
        log.close()
        assert all(map(find, ids))
        with pytest.raises(NotLoggedError):
            log.write(AT, CLIENT, 1, item())
        with pytest.raises(NotLoggedError):
            log.write_all(AT, CLIENT, 1, [item()])


def test_a_log_that_was_never_used_can_be_closed(new_log: NewLog) -> None:
    log = new_log()
    log.close()
    with pytest.raises(NotLoggedError):
        log.write(AT, CLIENT, 1, item())


def test_a_process_that_ends_does_not_wait_for_a_lost_database_for_ever(
    log: DecisionLog, away: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decision_log, "_SHUTDOWN_SECONDS", 0.1)
    log.write_all(AT, CLIENT, 1, [item()] * 3)
    log.close()
    assert "loses 3 decisions" in caplog.text
    assert log.dropped == 3
    with pytest.raises(NotLoggedError):
        log.flush()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_process_gives_ids_of_its_own_and_writes_nothing_of_its_parents(log: DecisionLog) -> None:
    with connected():
        ids = [log.write(AT, CLIENT, 1, item()) for _ in range(5)]
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, f"{log.writer} {len(log._entries)} {log._thread}".encode())
            os._exit(0)
        os.waitpid(child, 0)
        writer, held, thread = os.read(read, 100).decode().split()
    assert (held, thread) == ("0", "None")
    assert writer != log.writer
    log.flush()
    assert all(map(find, ids))


@pytest.mark.skipif(ON_POSTGRESQL, reason="a process must not use a connection of its parent")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_every_child_of_a_portal_that_has_not_answered_yet_stores_what_it_answers(client: FlaskClient) -> None:
    def answer() -> str:
        headers = {"Authorization": f"Bearer {KEY}"}
        response = client.post("/authorize", json=question("olivia-marsh"), headers=headers)
        return str((response.json or {})["context"]["id"])

    read, write = os.pipe()
    for _ in range(2):
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os.write(write, f"{answer()} ".encode())
                decision_log.current().flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    os.close(write)
    ids = os.read(read, 100).decode().split()
    os.close(read)
    assert len(set(ids)) == 2
    with connected():
        assert all(map(find, ids))


def test_what_a_request_pins_its_clock_to_does_not_stop_the_clock_of_the_log(
    new_log: NewLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[datetime] = []

    def seen(now: datetime, *_more: Any) -> None:
        limits.append(now)

    monkeypatch.setattr(decision_mover, "deletable_before", seen)
    monkeypatch.setattr(decision_mover, "_FIRST_RETENTION_SECONDS", 0)
    before = new_log()
    before.write(AT, CLIENT, 1, item())
    before.close()
    (journal.folder() / "retention").unlink(missing_ok=True)
    with clock.pinned(MOMENT - timedelta(days=400)):
        new_log().write(AT, CLIENT, 1, item())
    until(lambda: bool(limits))
    assert limits[0] > MOMENT - timedelta(days=1)


# What was read


def test_what_was_read_is_found_with_the_decision(new_log: NewLog) -> None:
    told = {(POLICY, 0): STEPS, (POLICY, 1): STEPS[:1]}
    log = new_log(steps_of=lambda policy, leaf: told.get((policy, leaf)))
    ids = [log.write(AT, CLIENT, 1, item(leaf=leaf)) for leaf in (0, 1, 2, None, 0)]
    log.flush()
    found = [find(one) for one in ids]
    assert [one and one.steps for one in found] == [STEPS, STEPS[:1], None, None, STEPS]


def test_what_was_read_is_found_too_where_no_recording_holds_it(new_log: NewLog) -> None:
    log = new_log(steps_of=lambda _policy, _leaf: STEPS)
    ids = [
        log.write(AT, CLIENT, 1, item(leaf=leaf)) for leaf in (tuple(STEPS[:1]), tuple(STEPS[1:]), 0, tuple(STEPS[:1]))
    ]
    log.flush()
    assert [found and found.steps for found in map(find, ids)] == [STEPS[:1], STEPS[1:], STEPS, STEPS[:1]]
    # There may be a million of them, so they are not remembered.
    assert log._files is not None
    assert log._files._segment is not None
    assert len(log._files._segment.digests) == 1
    masked = new_log()
    given = masked.write(AT, CLIENT, 1, item(leaf=tuple(STEPS)))
    masked.flush()
    found = find(given)
    assert found is not None
    assert found.steps is None


def test_the_same_leaf_number_means_another_path_in_another_process(new_log: NewLog) -> None:
    one = new_log(steps_of=lambda _policy, _leaf: STEPS[:1])
    other = new_log(steps_of=lambda _policy, _leaf: STEPS[1:])
    ids = [log.write(AT, CLIENT, 1, item(leaf=3)) for log in (one, other)]
    one.flush()
    other.flush()
    assert [found and found.steps for found in map(find, ids)] == [STEPS[:1], STEPS[1:]]


def test_a_path_is_kept_once(new_log: NewLog) -> None:
    one, other = (new_log(steps_of=lambda _policy, _leaf: STEPS) for _ in range(2))
    for log in (one, one, other):
        log.write_all(AT, CLIENT, 1, [item(leaf=0)] * 5)
        log.flush()
    [path] = journal.segments(one.writer)
    assert [len(frame.paths) for frame in journal.frames(path)] == [1, 0]
    other.close()
    assert len(rows(one)) == 2
    assert len(paths()) == 1


def test_a_leaf_that_comes_to_mean_another_path_is_not_mistaken(new_log: NewLog) -> None:
    told = [STEPS]
    log = new_log(steps_of=lambda _policy, _leaf: told[-1])
    ids = []
    for steps in (STEPS, STEPS[1:]):
        told.append(steps)
        ids.append(log.write(AT, CLIENT, 1, item(leaf=0)))
        log.flush()
    assert [found and found.steps for found in map(find, ids)] == [STEPS, STEPS[1:]]


def test_what_was_read_is_not_kept_where_it_is_masked(log: DecisionLog) -> None:
    given = log.write(AT, CLIENT, 1, item(leaf=0))
    log.flush()
    found = find(given)
    assert found is not None
    assert found.steps is None
    log.close()
    assert paths() == []


def test_a_path_that_cannot_be_told_keeps_nothing_from_being_kept(
    new_log: NewLog, caplog: pytest.LogCaptureFixture
) -> None:
    def steps_of(_policy: str, _leaf: int) -> decision_codec.Steps:
        raise LookupError("the secret is 42")

    log = new_log(steps_of=steps_of)
    given = log.write(AT, CLIENT, 1, item(leaf=0))
    log.flush()
    assert find(given)
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text


# Forgetting


def test_a_payload_is_small(log: DecisionLog) -> None:
    log.write_all(AT, CLIENT, 1, [item(number) for number in range(1_000)])
    [row] = rows(log)
    payload = bytes(row.payload)
    assert len(payload) * 10 < len(zlib.decompress(payload))


def test_events_are_deleted_after_their_days_but_never_the_newest(database: None) -> None:
    with clock.pinned(clock.now() - timedelta(days=100)):
        old = [record(EventName.SERVICE_ADDED, by="operator", subject="service:a") for _ in range(3)]
    assert delete_events(clock.now() - timedelta(days=30), limit=500) == 2
    assert [event.revision for event in Event.select()] == old[-1:]
    new = record(EventName.SERVICE_ADDED, by="operator", subject="service:a")
    assert delete_events(clock.now() - timedelta(days=30), limit=500) == 1
    assert [event.revision for event in Event.select()] == [new]


def test_the_log_deletes_old_events_too(new_log: NewLog, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.pinned(clock.now() - timedelta(days=100)):
        record(EventName.SERVICE_ADDED, by="operator", subject="service:a")
    newest = record(EventName.SERVICE_ADDED, by="operator", subject="service:a")
    monkeypatch.setattr(decision_mover, "_FIRST_RETENTION_SECONDS", 0)
    log = new_log(event_days=30)
    log.write(clock.timestamp(), CLIENT, 1, item())
    until(lambda: [event.revision for event in Event.select()] == [newest])
