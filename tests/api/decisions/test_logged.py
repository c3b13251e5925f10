"""Every answer is in the log, with what it was made of."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app.authz.information.cache import DirectoryView
from app.config import DecisionLogging, Settings
from app.factory import create_app
from app.kernel.database import connected
from app.runtime import current
from tests.api.conftest import KEY, Tell, question
from tests.logged import logged
from tests.running import end, restored


@pytest.fixture(params=[True, False], ids=["with facts", "masked"])
def asked(request: pytest.FixtureRequest, cast: None, settings: Settings) -> Iterator[bool]:
    """A portal that was asked two questions, and whether its log keeps facts."""
    with restored():
        portal: Flask = create_app(replace(settings, decision_log_facts=request.param), current().engine)
        for person in ("olivia-marsh", "iris-bell"):
            answer = portal.test_client().post(
                "/authorize", json=question(person), headers={"Authorization": f"Bearer {KEY}"}
            )
            assert answer.status_code == 200
        with connected():
            yield request.param
    end(portal)


def test_what_was_read_is_kept_with_a_yes_and_with_a_no_unless_it_is_masked(asked: bool) -> None:
    yes, no = logged()
    assert (yes.allowed, no.allowed) == (True, False)
    if asked:
        assert ("state of the actor is “active”", "yes") in yes.steps
        assert ("in force of grant 3 of membership 1 of the actor", "no") in no.steps
    else:
        assert (yes.steps, no.steps) == (None, None)


def test_the_portal_keeps_its_promise(cast: None, settings: Settings) -> None:
    with restored():
        portal = create_app(replace(settings, decision_log=DecisionLogging.DURABLE), current().engine)
        assert current().decision_log.promise == "durable"
    end(portal)


def test_what_a_client_may_not_ask_is_recorded_once_although_it_is_looked_at_twice(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed_meanwhile(self: DirectoryView, *_arguments: object, **_more: object) -> Iterator[int]:
        yield from (self.fresh(), self.fresh())

    monkeypatch.setattr(DirectoryView, "snapshots", changed_meanwhile)
    foreign = {"resource": {"type": "service", "id": "training"}}
    answer = tell(question("olivia-marsh", evaluations=[foreign, {}]))
    assert [one["decision"] for one in answer.json["evaluations"]] == [False, True]
    assert [record.allowed for record in logged()] == [False, True]
