import pytest

from app.authz import facts
from app.authz.decision_point import DecisionRequest, decide
from app.authz.engine.engine import Engine
from app.authz.engine.replay import Recording
from app.authz.engine.tree import END, Compare, Const, Field, Next
from app.authz.explain.explanation import explain
from app.authz.explain.steps import steps, steps_of, trace_of
from app.authz.information import directory
from app.config import ROOT
from app.services.queries import service_with_slug
from tests.running import change, restored

pytestmark = pytest.mark.one_database


@pytest.fixture
def policy(cast: None) -> Engine:
    """The shipped policy, which has decided nothing yet."""
    engine = Engine.load(ROOT / "policies")
    with restored():
        change(engine=engine)
        yield engine


def test_a_decision_says_what_was_looked_at(policy: Engine) -> None:
    person, row = directory.person_named("sam-porter"), service_with_slug("submit-for-assessment")
    assert person is not None
    assert row is not None
    decision = decide(person, "launch", directory.service(row))
    assert decision.leaf is not None
    assert steps_of(decision.policy, decision.leaf) == (
        ("state of the actor is “active”", "yes"),
        ("state of the resource is “live”", "yes"),
        ("number of memberships of the actor", "0"),
    )


def test_a_decision_that_is_not_recorded_says_it_too(policy: Engine) -> None:
    policy.recording = Recording(node_limit=0)
    person, row = directory.person_named("sam-porter"), service_with_slug("submit-for-assessment")
    assert person is not None
    assert row is not None
    decision = decide(person, "launch", directory.service(row))
    assert decision.leaf is None
    looked_at = (
        ("state of the actor is “active”", "yes"),
        ("state of the resource is “live”", "yes"),
        ("number of memberships of the actor", "0"),
    )
    assert trace_of(decision) == looked_at
    explained = explain(DecisionRequest(person, "launch", directory.service(row), facts.Context(), ()))
    assert {reading.path for reading in explained.readings} >= {"actor.state", "resource.state", "actor.memberships"}


def test_the_path_under_another_policy_is_not_known_any_more(policy: Engine) -> None:
    assert steps_of("another", 0) is None
    with pytest.raises(IndexError):
        steps_of(policy.digest, 0)


def test_every_kind_of_question_has_words() -> None:
    path = [
        (Field(0, "memberships"), tuple),
        (Next(3, 0), ("element", facts.Membership)),
        (Field(4, "state"), str),
        (Compare("==", 5, Const("active", str)), True),
        (Next(3, 1), END),
        (Field(2, "organisation"), None),
        (Field(1, "properties"), facts.Properties),
        (Field(6, "extra_time"), (int, 25)),
        (Field(6, "share"), (float, (0.5).hex())),
        (Field(6, "locked"), False),
        (Field(6, "grades"), tuple),
        (Next(7, 0), ("element", (int, 3))),
        (Compare("<=", Const(7, int), 4), False),
        (Compare("==", Const(True, bool), 1), False),
    ]
    assert steps(path) == (
        ("state of membership 1 of the actor is “active”", "yes"),
        ("number of memberships of the actor", "1"),
        ("organisation of the request", "nothing"),
        ("extra time of properties of the resource", "25"),
        ("share of properties of the resource", "0.5"),
        ("locked of properties of the resource", "no"),
        ("grade 1 of properties of the resource", "3"),
        ("7 is at most membership 1 of the actor", "no"),
        ("yes is the resource", "no"),
    )
