"""To find the reason of a no has a bound, however dear the policy and whatever a caller sends."""

from pathlib import Path

import pytest

from app.audit.decision_codec import Steps
from app.authz import decision_point, facts
from app.authz.decision_point import DecisionRequest, decide_request
from app.authz.engine.engine import Engine
from app.authz.explain import counterfactuals, explanation
from app.authz.explain.counterfactuals import Budget, BudgetExceededError, smallest_changes
from app.authz.explain.explanation import explain, reason_for
from app.authz.explain.steps import steps
from app.kernel import clock
from app.vocabulary import Reason
from tests.running import change

ORGANISATION = facts.Organisation("o", "active", "UTC")
SERVICE = facts.Service("s", "live")


@pytest.fixture
def dear(tmp_path: Path) -> DecisionRequest:
    """A question whose reason would be found by trying hundreds of thousands of sets of roles."""
    pairs = " and\n  ".join(f'held(person, "s:{one}", "s:{one + 1}")' for one in range(0, 10, 2))
    (tmp_path / "main.polar").write_text(
        f"""type allow(_a, _b, _c, _d);
        allow(person: Person, "x", _r, _c) if {pairs};
        held(person, one, _other) if m in person.memberships and g in m.grants and g.role.slug = one;
        held(person, _one, other) if m in person.memberships and g in m.grants and g.role.slug = other;"""
    )
    change(engine=Engine.load(tmp_path))
    person = facts.with_memberships(
        facts.Person("p", "active"), lambda owner: [facts.Membership("m", owner, ORGANISATION, "active", ())]
    )
    roles = tuple(facts.Role(f"s:{number}", SERVICE, None, officers_may_give=True) for number in range(20))
    return DecisionRequest(person, "x", facts.declared_kind("Thing")("t"), facts.Context(), roles)


def test_a_reason_that_takes_too_long_to_find_is_that_the_policy_does_not_allow_it(dear: DecisionRequest) -> None:
    asked = decision_point.decide
    count = 0

    def counting(*arguments: object) -> decision_point.Decision:
        nonlocal count
        count += 1
        return asked(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision_point, "decide", counting)
        assert reason_for(dear, decide_request(dear)).reason is Reason.NOT_ALLOWED
    assert count <= explanation._REASON_BUDGET.questions + 1


def test_so_is_one_that_takes_too_much_processor_time(dear: DecisionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(counterfactuals, "thread_time", lambda: next(seconds))
    with pytest.raises(BudgetExceededError):
        list(smallest_changes(dear, Budget(questions=1_000_000, seconds=10)))
    assert next(seconds) < 20
    assert explain(dear).alternatives == ()


def test_a_path_is_kept_as_far_as_it_says_something() -> None:
    tags = facts.Properties({"tags": [str(number) for number in range(3_000)]})
    record = facts.declared_kind("Record")("r", tags)
    engine = Engine.load(Path(__file__).parents[3] / "tests" / "authz" / "explain" / "long")
    leaf = engine.answer(facts.Person("p", "active"), "x", record, facts.Context(), clock.timestamp())
    found: Steps = steps(leaf.path)
    assert len(leaf.path) > 3_000
    assert len(found) == 201
    assert found[-1][0] == "questions that are not listed"
