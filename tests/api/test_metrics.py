"""What is counted of requests and decisions: every one, under a few names."""

import pytest
from prometheus_client import REGISTRY

from tests.api.conftest import Ask, Send, Tell, question
from tests.browsing import Browser

SUBMIT = ("thomas-reed", "launch", "service", "submit-for-assessment")


class Counted:
    """How much a metric has grown since it was looked at first."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._before = dict(self._all())

    def __call__(self, name: str, **labels: str) -> float:
        return sum(
            value - self._before.get(key, 0.0)
            for key, value in self._all()
            if key[0] == name and set(labels.items()) <= key[1]
        )

    @staticmethod
    def _all() -> "list[tuple[tuple[str, frozenset[tuple[str, str]]], float]]":
        return [
            ((sample.name, frozenset(sample.labels.items())), sample.value)
            for metric in REGISTRY.collect()
            for sample in metric.samples
        ]


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_every_decision_is_counted_with_its_reason(counted: Counted, ask: Ask, tell: Tell) -> None:
    for person in ("thomas-reed", "iris-bell", "nobody"):
        ask(person, *SUBMIT[1:])
    tell({**question(*SUBMIT), "evaluations": [{}, {"subject": {"type": "person", "id": "iris-bell"}}, {}]})
    assert counted("tessera_decisions_total") == 6
    assert counted("tessera_decisions_total", decision="allow", reason="allowed", kind="service") == 3
    assert counted("tessera_decisions_total", decision="deny", reason="role_ended", kind="service") == 2
    assert counted("tessera_decisions_total", decision="deny", kind="service") == 3
    assert counted("tessera_batch_size_sum") == 3


@pytest.mark.usefixtures("mark_schemes")
def test_what_somebody_sends_makes_no_new_name(counted: Counted, ask: Ask, send: Send) -> None:
    for number in range(3):
        ask("thomas-reed", "read", "mark_scheme", f"s{number}")
        ask("thomas-reed", "read", f"kind-{number}", "x")
        send(b"{", path=f"/access/v1/search/{number}")
        send(b"{", path=f"/{number}")
    kinds = {
        sample.labels["kind"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "tessera_decisions_total"
    }
    assert kinds <= {"service", "role", "other"}
    doors = {
        sample.labels["door"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "tessera_request_seconds_count"
    }
    assert doors <= {"authorize", "evaluation", "evaluations", "search", "page", "static", "health"}


def test_requests_are_counted_by_door_and_status(counted: Counted, ask: Ask, send: Send, browser: Browser) -> None:
    ask(*SUBMIT)
    send(b"{")
    send(b"{}", headers={"Authorization": "Bearer wrong"})
    browser.get("/sign-in")
    browser.client.get("/health")
    assert counted("tessera_request_seconds_count", door="authorize", status="2xx") == 1
    assert counted("tessera_request_seconds_count", door="authorize", status="4xx") == 2
    assert counted("tessera_request_seconds_count", door="page", status="2xx") == 1
    assert counted("tessera_request_seconds_count", door="health", status="2xx") == 1


def test_signing_in_is_counted(counted: Counted, browser: Browser) -> None:
    browser.sign_in("thomas-reed", "wrong")
    browser.sign_in("thomas-reed")
    assert (counted("tessera_sign_ins_total", outcome="failed"), counted("tessera_sign_ins_total")) == (1, 2)
