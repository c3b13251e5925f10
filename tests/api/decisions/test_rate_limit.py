"""A program that runs wild is told to wait, and the others are not kept waiting."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.api.decisions.rate_limit import Allowance, _allowance
from app.api.errors import ApiError
from app.config import Settings, use
from tests.api.conftest import Ask, Send, Tell, question

METHODS = ("PUT", "GET", "HEAD", "DELETE", "GET")
SECONDS = "app.api.decisions.rate_limit.monotonic"


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(SECONDS, clock)
    _allowance.cache_clear()
    yield clock
    # What was counted by this clock means nothing by another.
    _allowance.cache_clear()


def is_answered(allowance: Allowance, client: str, size: int) -> bool:
    """Return whether a request of so many questions is answered."""
    try:
        allowance.take(client, size)
    except ApiError:
        return False
    return True


def taken(allowance: Allowance, client: str, *sizes: int) -> list[bool]:
    """Return for each of some requests whether it is answered."""
    return [is_answered(allowance, client, size) for size in sizes]


def test_two_seconds_worth_may_come_at_once_and_no_more(seconds: Clock) -> None:
    allowance = Allowance(10)
    assert taken(allowance, "client:a", 15, 5, 1) == [True, True, False]
    seconds.now += 0.5
    assert taken(allowance, "client:a", 5, 1) == [True, False]
    seconds.now += 1000
    assert taken(allowance, "client:a", 20, 1) == [True, False]


def test_what_is_refused_does_not_count(seconds: Clock) -> None:
    assert taken(Allowance(10), "client:a", 21, 20) == [False, True]


def test_each_client_has_an_allowance_of_its_own(seconds: Clock) -> None:
    allowance = Allowance(10)
    assert taken(allowance, "client:a", 20, 1) == [True, False]
    assert taken(allowance, "client:b", 20) == [True]


def test_none_sets_no_limit(seconds: Clock) -> None:
    assert taken(Allowance(0), "client:a", 10**9, 10**9) == [True, True]


@pytest.mark.usefixtures("both_doors")
def test_a_batch_counts_as_many_times_as_it_asks(ask: Ask, tell: Tell, settings: Settings, seconds: Clock) -> None:
    use(replace(settings, rate_limit=3))
    batch = {**question(), "evaluations": [{}, {}, {}, {}]}
    assert tell(batch).status_code == 200
    answer = tell(batch)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["message"].startswith("This key asks more than 3 questions a second.")
    assert ask().status_code == 200


@pytest.mark.usefixtures("mark_schemes")
def test_what_is_said_of_things_counts_as_a_question(send: Send, settings: Settings, seconds: Clock) -> None:
    use(replace(settings, rate_limit=2))
    statuses = [send(b"{}", path="/records/mark_scheme/7", method=method).status_code for method in METHODS]
    assert statuses == [200, 200, 200, 200, 429]
    seconds.now += 1
    assert send(b"{}", path="/records/mark_scheme/7", method="PUT").status_code == 200


def test_a_search_and_an_explanation_count_as_a_hundred_questions(
    tell: Tell, settings: Settings, seconds: Clock
) -> None:
    search = {"path": "/access/v1/search/subject"}
    for body, more in ((question(), search), (question(explain=True), {})):
        use(replace(settings, rate_limit=50))
        assert [tell(body, **more).status_code for _ in range(2)] == [200, 429]
        seconds.now += 2
        use(replace(settings, rate_limit=49))
        assert tell(body, **more).status_code == 429


@pytest.mark.usefixtures("both_doors")
def test_a_batch_that_takes_too_long_is_given_up(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    moments = iter([0.0, 0.1, 5.1])
    monkeypatch.setattr("app.api.decisions.evaluate.monotonic", lambda: next(moments, 9.0))
    use(replace(settings, time_limit=5))
    answer = tell({**question(), "evaluations": [{}, {}, {}]})
    assert answer.status_code == 503
    assert answer.json["message"].startswith("Answering took longer than 5 seconds.")
