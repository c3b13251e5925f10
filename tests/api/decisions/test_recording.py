"""Every answer is in the log, with what it was made of."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app.audit import decision_log
from app.authz import decision_point
from app.authz.engine.engine import Engine
from app.authz.information import cache
from app.config import Settings
from app.factory import create_app
from app.kernel.database import database
from tests.api.conftest import KEY, question
from tests.logged import logged


@pytest.fixture(params=[True, False], ids=["with facts", "masked"])
def asked(request: pytest.FixtureRequest, both_doors: bool, cast: None, settings: Settings) -> Iterator[bool]:
    """A portal that was asked two questions, and whether its log keeps facts."""
    bound, before = database.obj, decision_point._engine
    portal: Flask = create_app(
        replace(settings, decision_log_facts=request.param), Engine.load(*settings.policy_folders)
    )
    database.initialize(bound)
    cache.forget()
    if not both_doors:
        portal.wsgi_app = portal.wsgi_app.application  # type: ignore[attr-defined, method-assign]
    for person in ("olivia-marsh", "iris-bell"):
        answer = portal.test_client().post(
            "/authorize", json=question(person), headers={"Authorization": f"Bearer {KEY}"}
        )
        assert answer.status_code == 200
    yield request.param
    decision_point._engine = before


def test_what_was_read_is_kept_with_a_yes_and_with_a_no_unless_it_is_masked(asked: bool) -> None:
    yes, no = logged()
    assert (yes.allowed, no.allowed) == (True, False)
    if asked:
        assert ("state of the actor is “active”", "yes") in yes.steps
        assert ("in force of grant 3 of membership 1 of the actor", "no") in no.steps
    else:
        assert (yes.steps, no.steps) == (None, None)


def test_the_portal_keeps_its_promise(cast: None, settings: Settings) -> None:
    bound, before = database.obj, decision_point._engine
    create_app(
        replace(settings, decision_log=decision_log.DecisionLogging.DURABLE), Engine.load(*settings.policy_folders)
    )
    database.initialize(bound)
    decision_point._engine = before
    assert decision_log.current().promise == "durable"
