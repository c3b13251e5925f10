"""Whatever goes wrong while deciding is a no, with an event and a count, and does not keep the others waiting."""

from pathlib import Path
from threading import Thread

import pytest

from app.audit.models import Event
from app.authz import decision_point
from app.authz.decision_point import decide, errors
from app.authz.engine.engine import Engine
from app.authz.facts import Fact, Service
from app.authz.information.directory import GUEST, PORTAL
from app.vocabulary import EventName, Reason
from tests.clock import Clock
from tests.running import change

pytestmark = pytest.mark.usefixtures("database")

LIVE = Service("scripts", "live")


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.authz.decision_point.monotonic", clock)
    monkeypatch.setattr(decision_point, "_reported", decision_point._ReportedFailures())
    return clock


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a policy that can decide nothing."""
    (tmp_path / "broken.polar").write_text(
        "type allow(_actor, _action, _resource, _context);\n"
        "allow(_actor, action, _resource, _context) if action.colour = 1;\n"
    )
    engine = Engine.load(tmp_path)
    change(engine=engine)
    errors.clear()
    return engine.digest


def failures() -> list[tuple[str, str]]:
    """Return of what kind of thing the events tell, and what they say."""
    events = Event.select().where(Event.name == EventName.DECIDING_FAILED).order_by(Event.revision)
    return [(event.details["resource"], event.details["error"]) for event in events]


def ask(resource: Fact, times: int = 1) -> None:
    for _ in range(times):
        assert decide(GUEST, "read", resource).reason is Reason.POLICY_ERROR


def test_the_same_failure_is_written_down_once_a_minute_and_counted_each_time(seconds: Clock, digest: str) -> None:
    ask(PORTAL, 50)
    assert [kind for kind, _sentence in failures()] == ["Portal"]
    assert errors == {digest: 50}
    seconds.now += 59.9
    ask(PORTAL)
    assert len(failures()) == 1
    seconds.now += 0.1
    ask(PORTAL, 2)
    assert len(failures()) == 2
    assert errors == {digest: 53}


def test_another_failure_is_another_event(seconds: Clock, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(PORTAL)
    ask(LIVE)
    change(engine=None)
    ask(LIVE, 2)
    assert [kind for kind, _sentence in failures()] == ["Portal", "Service", "Service"]
    assert failures()[2][1] == "no policy has been loaded"
    assert errors == {digest: 2, "none": 2}


def test_of_very_many_different_failures_only_the_first_are_written_down(
    seconds: Clock, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_point, "_FAILURE_LIMIT", 1)
    ask(PORTAL)
    ask(LIVE)
    assert [kind for kind, _sentence in failures()] == ["Portal"]
    seconds.now += 60
    ask(LIVE)
    assert [kind for kind, _sentence in failures()] == ["Portal", "Service"]
    assert errors == {digest: 3}


def test_a_failure_in_a_thread_without_a_connection_is_written_down_too(seconds: Clock, digest: str) -> None:
    asking = Thread(target=ask, args=(PORTAL,))
    asking.start()
    asking.join()
    assert [kind for kind, _sentence in failures()] == ["Portal"]
