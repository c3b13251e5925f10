"""A program that runs wild is told to wait, and the others are not kept waiting."""

import json
from itertools import count
from threading import Barrier, Event, Thread

import pytest

from app.api.transport import dispatch
from app.config import Settings
from app.kernel import rate_limit
from app.kernel.rate_limit import RateLimitedError, TokenBuckets
from app.runtime import current
from tests.api.conftest import Ask, Send, Tell, question
from tests.clock import Clock
from tests.running import change_settings

SECONDS = "app.kernel.rate_limit.monotonic"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(SECONDS, clock)
    monkeypatch.setattr(rate_limit, "thread_time", lambda: 0.0)
    return clock


def is_answered(buckets: TokenBuckets, client: str, size: int) -> bool:
    """Return whether a request of so many questions is answered."""
    try:
        buckets.take(client, size)
    except RateLimitedError:
        return False
    return True


def taken(buckets: TokenBuckets, client: str, *sizes: int) -> list[bool]:
    """Return for each of some requests whether it is answered."""
    return [is_answered(buckets, client, size) for size in sizes]


def test_two_seconds_worth_may_come_at_once_and_no_more(seconds: Clock) -> None:
    buckets = TokenBuckets(10)
    assert taken(buckets, "client:a", 15, 5, 1) == [True, True, False]
    seconds.now += 0.5
    assert taken(buckets, "client:a", 5, 1) == [True, False]
    seconds.now += 1000
    assert taken(buckets, "client:a", 20, 1) == [True, False]


def test_what_is_refused_does_not_count(seconds: Clock) -> None:
    assert taken(TokenBuckets(10), "client:a", 21, 20) == [False, True]


def test_each_client_has_a_bucket_of_its_own(seconds: Clock) -> None:
    buckets = TokenBuckets(10)
    assert taken(buckets, "client:a", 20, 1) == [True, False]
    assert taken(buckets, "client:b", 20) == [True]


def test_none_sets_no_limit(seconds: Clock) -> None:
    assert taken(TokenBuckets(0), "client:a", 10**9, 10**9) == [True, True]


def test_a_batch_counts_as_many_times_as_it_asks(ask: Ask, tell: Tell, settings: Settings, seconds: Clock) -> None:
    change_settings(rate_limit=3)
    batch = {**question(), "evaluations": [{}, {}, {}, {}]}
    assert tell(batch).status_code == 200
    answer = tell(batch)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["message"].startswith("Rate limit exceeded: 3 evaluations per second")
    assert ask().status_code == 200


@pytest.mark.usefixtures("mark_schemes")
def test_what_is_said_of_things_counts_as_a_question(send: Send, settings: Settings, seconds: Clock) -> None:
    def answer(method: str) -> int:
        return send(b'{"properties": {}}', path="/records/mark_scheme/7", method=method).status_code

    # 42 are saved up: a change counts as twenty questions, and to be shown something as one.
    change_settings(rate_limit=21)
    assert [answer(method) for method in ("PUT", "GET", "HEAD", "DELETE", "GET")] == [200, 200, 200, 200, 429]
    seconds.now += 1
    assert answer("PUT") == 200


def test_what_takes_long_is_paid_for_afterwards(seconds: Clock) -> None:
    buckets = TokenBuckets(100)
    buckets.charge("client:a", 0.25)
    assert taken(buckets, "client:a", 100, 1) == [True, False]
    assert taken(buckets, "client:b", 200) == [True]
    # A batch that takes the five seconds that it may take is paid for in full, and nobody owes more.
    buckets.charge("client:a", 1000)
    seconds.now += 19.9
    assert taken(buckets, "client:a", 1) == [False]
    seconds.now += 0.2
    assert taken(buckets, "client:a", 1) == [True]


def test_who_is_told_to_wait_is_told_long_enough(seconds: Clock) -> None:
    buckets = TokenBuckets(50)
    buckets.take("client:a", 100)
    with pytest.raises(RateLimitedError) as refused:
        buckets.take("client:a", 100)
    seconds.now += refused.value.seconds
    assert taken(buckets, "client:a", 100) == [True]


LONG = {
    "a search": (question(), {"path": "/access/v1/search/subject"}),
    "an explanation": (question(explain=True), {}),
    "a batch": ({**question(), "evaluations": [{}, {}]}, {}),
    "a long question": (question(context={"x": "x" * 5_000}), {}),
    "a long search": (question(context={"x": "x" * 5_000}), {"path": "/access/v1/search/subject"}),
    "a long explanation": (question(context={"x": "x" * 5_000}, explain=True), {}),
    "registering": ({"properties": {}}, {"path": "/records/mark_scheme/7", "method": "PUT"}),
    "deleting": ({}, {"path": "/records/mark_scheme/7", "method": "DELETE"}),
    "a long batch": ({**question(context={"x": "x" * 5_000}), "evaluations": [{}, {}]}, {}),
}


@pytest.mark.usefixtures("mark_schemes")
@pytest.mark.parametrize("sort", LONG)
def test_long_answers_come_in_turn_for_each_key(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, settings: Settings, sort: str
) -> None:
    body, more = LONG[sort]
    monkeypatch.setattr(rate_limit, "_TURN_SECONDS", 0.05)
    buckets, held, done = current().token_buckets, Event(), Event()

    def hold() -> None:
        with buckets.in_turn("client:submit-for-assessment"):
            held.set()
            done.wait(30)

    holder = Thread(target=hold)
    holder.start()
    held.wait(30)
    try:
        answer = tell(body, **more)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        # What is short goes on.
        assert tell(question()).status_code == 200
    finally:
        done.set()
        holder.join()
    assert tell(body, **more).status_code in (200, 404)


def test_who_waits_for_a_turn_gets_it_and_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets = TokenBuckets(100)
    monkeypatch.setattr(rate_limit, "_QUEUE", 3)
    monkeypatch.setattr(rate_limit, "_TURN_SECONDS", 30)
    at_once, most, refused = 0, 0, 0
    begun = Barrier(5)

    def ask() -> None:
        nonlocal at_once, most, refused
        begun.wait()
        try:
            with buckets.in_turn("client:a"):
                at_once += 1
                most = max(most, at_once)
                held.wait(30)
                at_once -= 1
        except RateLimitedError:
            refused += 1
            if refused == 2:
                held.set()

    held = Event()
    threads = [Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, refused, buckets._turns) == (1, 2, {})


SORTS = {
    "a question": (json.dumps(question()), {}, 200),
    "a batch": (json.dumps({**question(), "evaluations": [{}, {}]}), {}, 200),
    "an explanation": (json.dumps(question(explain=True)), {}, 200),
    "a search": (json.dumps(question()), {"path": "/access/v1/search/subject"}, 200),
    "nonsense": ("nonsense", {}, 400),
    "what is no question": ("{}", {}, 400),
    "what a key may not ask": (json.dumps(question("x", "launch", "service", "access-to-scripts")), {}, 403),
    "what is not in JSON": (json.dumps(question()), {"content_type": "text/plain"}, 400),
    "a resource": ("", {"path": "/records/mark_scheme/x", "method": "GET"}, 404),
    "a change": ("nonsense", {"path": "/records/mark_scheme/x", "method": "PUT"}, 400),
}


@pytest.mark.parametrize("sort", SORTS)
def test_processor_time_is_charged_for_every_sort_of_request(
    send: Send, monkeypatch: pytest.MonkeyPatch, settings: Settings, sort: str
) -> None:
    charged: list[float] = []
    monkeypatch.setattr(TokenBuckets, "charge", lambda _self, _client, seconds: charged.append(seconds))
    moments = count(0, 0.1)
    for module in (dispatch, rate_limit):
        monkeypatch.setattr(module, "thread_time", moments.__next__)
    body, more, status = SORTS[sort]
    assert send(body.encode(), **more).status_code == status
    assert len(charged) == 1


def test_who_owes_time_is_told_to_wait_before_anything_is_read(send: Send, settings: Settings, seconds: Clock) -> None:
    change_settings(rate_limit=50)
    current().token_buckets.charge("client:submit-for-assessment", 1)
    assert send(b"nonsense").status_code == 429
    assert send(b"nonsense", path="/records/mark_scheme/x", method="PUT").status_code == 429


def test_what_cannot_be_read_counts_as_a_question(send: Send, settings: Settings, seconds: Clock) -> None:
    change_settings(rate_limit=1)
    assert [send(b"nonsense").status_code for _ in range(3)] == [400, 400, 429]


def test_who_has_the_turn_keeps_it_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    buckets = TokenBuckets(100)
    monkeypatch.setattr(rate_limit, "_QUEUE", 1)
    with buckets.in_turn("client:a"), buckets.in_turn("client:a"):
        pass
    assert (buckets._turns, buckets._having) == ({}, {})


def test_a_search_and_an_explanation_count_as_a_hundred_questions(
    tell: Tell, settings: Settings, seconds: Clock
) -> None:
    search = {"path": "/access/v1/search/subject"}
    for body, more in ((question(), search), (question(explain=True), {})):
        change_settings(rate_limit=50)
        assert [tell(body, **more).status_code for _ in range(2)] == [200, 429]
        seconds.now += 2
        change_settings(rate_limit=49)
        assert tell(body, **more).status_code == 429


def test_a_batch_that_takes_too_long_is_given_up(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    moments = iter([0.0, 0.1, 5.1])
    monkeypatch.setattr("app.api.decisions.evaluate.monotonic", lambda: next(moments, 9.0))
    change_settings(time_limit=5)
    answer = tell({**question(), "evaluations": [{}, {}, {}]})
    assert answer.status_code == 503
    assert answer.json["message"].startswith("Answering took longer than 5 seconds.")
