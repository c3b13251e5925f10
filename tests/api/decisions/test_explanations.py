"""Why, over HTTP: rules, facts and changes for programs, and nothing that is not theirs."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.api.wire.schemas.answers import AnswerSchema
from app.config import ROOT
from app.kernel import clock
from app.memberships.models import Grant
from app.services.models import Client, Role, Service
from app.vocabulary import REASON_SENTENCES, Reason, ServiceState
from tests.api.conftest import Ask, Tell, question
from tests.running import forget_facts

pytestmark = pytest.mark.one_database

TEACHER = "submit-for-assessment:teacher"
OFFICER = "submit-for-assessment:exams-officer"
NORTHFIELD = {"organisation": "northfield"}


def why(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.json
    told: dict[str, Any] = answer.json["context"]["explanation"]
    assert told["sentence"] == answer.json["context"]["reason"]["sentence"]
    return told


def test_a_yes_says_by_which_rules_and_which_role_until_when(ask: Ask) -> None:
    last_day = clock.today("Europe/London") + timedelta(days=3)
    Grant.update(last_day=last_day).where(Grant.role == Role.get(Role.slug == TEACHER)).execute()
    forget_facts()
    told = why(ask("thomas-reed", explain=True))
    places = [(ROOT / "policies" / rule["file"]).read_text().splitlines()[rule["line"] - 1] for rule in told["rules"]]
    assert [place.partition("(")[0] for place in places] == [rule["name"] for rule in told["rules"]]
    assert 'has_permission(person: Person, "launch", service: Service, context: Context) if' in places
    service, role = told["facts"]
    assert service == {"about": "service", "id": "submit-for-assessment", "field": "state", "value": "live"}
    ends_at = datetime.fromisoformat(role.pop("ends_at"))
    assert ends_at == clock.end_of_day(last_day, "Europe/London")
    assert role == {"about": "role", "id": TEACHER, "field": "in_force", "value": True}
    assert told["needed"] == []


STRANGERS = ("helen-frost", "sam-porter", "ben-castle", "martin-shaw", "nobody-at-all", "nobody@example.org", "-")
"""The service knows nothing of them, so it is told the same of all."""
NEEDED = [
    ("iris-bell", [[("role_ended", OFFICER, "exams_officers")], [("role_missing", TEACHER, "exams_officers")]]),
    ("yusuf-demir", [[("membership_not_active", None, "exams_officers")]]),
    ("grace-holt", [[("person_not_active", None, "nobody")]]),
    ("leila-haddad", [[("organisation_not_active", None, "nobody")]]),
    *((name, [[("role_missing", role, "exams_officers")] for role in (OFFICER, TEACHER)]) for name in STRANGERS),
]


@pytest.mark.parametrize(("person", "expected"), NEEDED)
def test_a_no_says_what_is_needed_and_who_may_change_it(
    ask: Ask, person: str, expected: list[list[tuple[str, str | None, str]]]
) -> None:
    answer = ask(person, explain=True)
    told = why(answer)
    assert answer.json
    assert answer.json["decision"] is False
    assert [[(one["change"], one.get("role"), one["who"]) for one in needed] for needed in told["needed"]] == expected
    assert told["rules"] == []


def test_the_same_role_at_two_organisations_is_told_once_and_neither_is_named(ask: Ask) -> None:
    Grant.delete().where(Grant.role.in_(Role.select().where(Role.slug.startswith("submit-for-assessment")))).execute()
    forget_facts()
    answer = ask("amara-lewis", explain=True)
    assert [needed[0]["role"] for needed in why(answer)["needed"]] == [OFFICER, TEACHER]
    for name in ("northfield", "westbrook", "90101", "90102", "Amara", "amara"):
        assert name not in answer.text


def test_nothing_is_told_of_other_services_of_names_or_of_where_somebody_stands(ask: Ask) -> None:
    for person in ("olivia-marsh", "thomas-reed", "iris-bell", "yusuf-demir", "grace-holt", "owen-price"):
        answer = ask(person, "use", "role", TEACHER, explain=True)
        told = json.dumps(why(answer))
        slugs = [service.slug for service in Service.select() if service.slug != "submit-for-assessment"]
        for word in (*slugs, "portal:", "Northfield", "northfield", "suspended", "invited", person, person.title()):
            assert word not in told, person
        assert {fact["about"] for fact in why(answer)["facts"]} <= {"role", "service"}


def test_what_is_unknown_is_said_to_be_and_no_more(ask: Ask) -> None:
    nothing = {"rules": [], "facts": [], "needed": []}
    for answer, reason in [
        (ask(subject={"type": "robot", "id": "thomas-reed"}, explain=True), Reason.UNKNOWN_SUBJECT),
        (ask("thomas-reed", "fly", explain=True), Reason.UNKNOWN_ACTION),
        (ask("thomas-reed", "use", "role", "submit-for-assessment:no", explain=True), Reason.UNKNOWN_RESOURCE),
        (ask("thomas-reed", context={"organisation": "00000"}, explain=True), Reason.UNKNOWN_ORGANISATION),
    ]:
        assert why(answer) == nothing | {"sentence": REASON_SENTENCES[reason]}


def test_a_service_that_is_not_live_needs_to_be(ask: Ask) -> None:
    Service.update(state=ServiceState.HIDDEN).where(Service.slug == "submit-for-assessment").execute()
    forget_facts()
    told = why(ask("thomas-reed", explain=True))
    assert told["needed"] == [[{"change": "service_not_live", "who": "nobody"}]]
    assert told["facts"] == [{"about": "service", "id": "submit-for-assessment", "field": "state", "value": "hidden"}]


def test_a_role_that_is_missing_for_a_thing_of_the_services_own_is_named(ask: Ask, mark_schemes: None) -> None:
    thing = {"type": "mark_scheme", "id": "biology", "properties": {"ready": True}}
    body = {"subject": {"type": "person", "id": "iris-bell"}, "action": {"name": "mark"}, "resource": thing}
    answer = ask(explain=True, **body)
    assert answer.json is not None
    assert answer.json["context"]["reason"]["code"] == "role_missing"
    needed = answer.json["context"]["explanation"]["needed"]
    assert needed == [[{"change": "role_missing", "role": "submit-for-assessment:teacher", "who": "exams_officers"}]]


def test_what_the_caller_told_of_its_own_things_is_its_own(ask: Ask, mark_schemes: None) -> None:
    thing = {"type": "mark_scheme", "id": "biology", "properties": {"status": "draft", "author": "someone"}}
    told = why(ask("thomas-reed", "read", resource=thing, explain=True))
    assert {"about": "resource", "id": "biology", "field": "properties.status", "value": "draft"} in told["facts"]


def test_giving_a_role_that_the_board_keeps_says_so(ask: Ask) -> None:
    Client.update(service=Service.get(slug="exam-entries")).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    told = why(ask("olivia-marsh", "give", "role", "exam-entries:late-entries", context=NORTHFIELD, explain=True))
    assert {"about": "role", "id": "exam-entries:late-entries", "field": "officers_may_give", "value": False} in told[
        "facts"
    ]
    assert told["needed"] == []


@pytest.mark.parametrize("explain", [None, False])
def test_without_being_asked_to_nothing_is_explained(ask: Ask, explain: bool | None) -> None:
    answer = ask("thomas-reed", explain=explain)
    assert answer.json
    members = AnswerSchema().fields["context"].schema.fields  # type: ignore[attr-defined]
    assert set(answer.json["context"]) == {name for name, member in members.items() if member.required}


@pytest.mark.parametrize("explain", ["true", 1, 0, "", [], {}])
def test_anything_but_true_or_false_is_refused(ask: Ask, explain: object) -> None:
    answer = ask("thomas-reed", explain=explain)
    assert (answer.status_code, answer.json) == (400, {"message": "explain must be true or false."})


def test_a_batch_is_not_explained(ask: Ask) -> None:
    answer = ask("thomas-reed", explain=True, evaluations=[{}])
    assert answer.status_code == 400
    assert answer.json == {"message": "explain is for a single question. Leave it out, or ask without evaluations."}


@pytest.mark.parametrize("more", [{"options": {"evaluations_semantic": "sometimes"}}, {"evaluations": 0}])
def test_what_is_wrong_without_an_explanation_is_wrong_with_one(ask: Ask, more: dict[str, Any]) -> None:
    assert ask("thomas-reed", **more).status_code == 400
    assert ask("thomas-reed", explain=True, **more).json == ask("thomas-reed", **more).json


@pytest.mark.parametrize("path", ["/access/v1/evaluation", "/access/v1/evaluations"])
def test_the_standard_addresses_ignore_what_the_standard_does_not_know(tell: Tell, path: str) -> None:
    answer = tell(question("thomas-reed", explain=True), path=path)
    assert answer.json
    assert "explanation" not in answer.json["context"]


def test_an_explained_answer_is_recorded_like_any_other(ask: Ask) -> None:
    answers = [ask("iris-bell", explain=explain) for explain in (True, False)]
    explained, plain = ({**answer.json} for answer in answers)  # type: ignore[dict-item]
    assert explained["context"].pop("id") != plain["context"].pop("id")
    del explained["context"]["explanation"]
    assert explained == plain


def test_it_is_only_for_what_the_key_may_ask_about(ask: Ask) -> None:
    assert ask("thomas-reed", "launch", "service", "training", explain=True).status_code == 403
