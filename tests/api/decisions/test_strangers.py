"""A service learns nothing about people without a role of it: nobody can tell them from people who do not exist."""

from typing import Any

import pytest

from app.accounts.models import EmailAddress, Person
from app.api.decisions.resolver import resolvers
from app.authz import facts
from app.authz.decision_point import decide
from app.authz.explain import explanation
from app.authz.explain.counterfactuals import GENEROUS
from app.kernel.rate_limit import TokenBuckets
from app.organisations.models import Organisation
from app.runtime import current
from tests.api.conftest import KEY, Ask
from tests.running import change

pytestmark = pytest.mark.one_database

ACTIONS = [
    ("launch", "service", "submit-for-assessment"),
    ("use", "role", "submit-for-assessment:teacher"),
    ("give", "role", "submit-for-assessment:teacher"),
    ("read", "mark_scheme", "ms-1"),
    ("mark", "mark_scheme", "ms-1"),
]


def told(answer: Any) -> dict[str, Any]:
    """Return what an answer says, but for the number under which it is recorded."""
    assert answer.status_code == 200
    return answer.json | {"context": answer.json["context"] | {"id": None}}


@pytest.mark.usefixtures("mark_schemes")
@pytest.mark.parametrize("explain", [False, True])
def test_nobody_can_tell_a_stranger_from_nobody(ask: Ask, monkeypatch: pytest.MonkeyPatch, explain: bool) -> None:
    # A reason that is not found in time is a different one, for strangers and nobody alike.
    monkeypatch.setattr(explanation, "_REASON_BUDGET", GENEROUS)
    change(token_buckets=TokenBuckets(0))
    caller = current().view.caller(KEY)
    assert caller is not None
    compared = 0
    for at in (None, *(row.public_id for row in Organisation.select())):
        more: dict[str, Any] = {"context": {"organisation": at}} if at else {}
        more |= {"explain": True} if explain else {}
        for action, kind, name in ACTIONS:
            resource = {"type": kind, "id": name, "properties": {"status": "draft"}}
            nobody = told(ask("nobody-at-all", action, resource=resource, **more))
            assert told(ask("nobody@example.org", action, resource=resource, **more)) == nobody
            assert nobody["decision"] is False
            for person in Person.select():
                for resolver in resolvers(caller.client, 0, []):
                    fact = resolver.view.person(person.public_id)
                    organisation = None if at is None else resolver.view.organisation(at)
                assert fact is not None
                if decide(caller.client, "learn_about", fact, facts.Context(organisation)).allowed:
                    continue
                answer = told(ask(person.public_id, action, resource=resource, **more))
                # What the policy allows, it says: an exams officer may give a role that they do not hold.
                if not answer["decision"]:
                    assert answer == nobody, (person.public_id, at, action)
                    compared += 1
                    address = EmailAddress.get_or_none(EmailAddress.person == person)
                    if address is not None:
                        assert told(ask(address.address, action, resource=resource, **more)) == nobody
    assert compared > 100
