"""Several questions in one message, and how far they are answered."""

import json
from threading import Thread
from typing import Any

import pytest
from flask import Flask

from app.accounts.models import Person
from app.api.wire.requests import LARGEST_REVISION
from app.audit.operations import record
from app.audit.queries import revision
from app.authz.information import cache
from app.kernel.database import changing, connected
from app.services.models import Client
from app.vocabulary import EventName, PersonState
from tests.api.conftest import KEY, Send, Tell, question
from tests.logged import logged
from tests.querying import counted_queries
from tests.running import change_settings, forget_facts

pytestmark = pytest.mark.one_database

PATHS = ("/authorize", "/access/v1/evaluations")
SUBJECT = {"type": "person", "id": "thomas-reed"}
LAUNCH = {"name": "launch"}
SERVICE = {"type": "service", "id": "submit-for-assessment"}
YES = {"action": LAUNCH}
NO = {"action": {"name": "fly"}}
BROKEN = {"action": {"name": 7}}


def batch(*items: Any, **more: Any) -> dict[str, Any]:
    """Return a batch about Thomas Reed and the service."""
    return {"subject": SUBJECT, "resource": SERVICE, "evaluations": list(items), **more}


def codes(answer: Any) -> list[str]:
    """Return the reason codes of the answers to a batch."""
    assert answer.status_code == 200, answer.text
    assert list(answer.json) == ["evaluations"]
    return [one["context"]["reason"]["code"] for one in answer.json["evaluations"]]


@pytest.mark.parametrize("path", PATHS)
def test_questions_are_answered_in_their_order(tell: Tell, path: str) -> None:
    answer = tell(batch(YES, NO, {"subject": {"type": "person", "id": "iris-bell"}, **YES}, YES), path=path)
    assert codes(answer) == ["allowed", "unknown_action", "role_ended", "allowed"]
    assert [one["decision"] for one in answer.json["evaluations"]] == [True, False, False, True]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_of_a_batch_says_where_it_comes_from_and_is_recorded(tell: Tell, path: str) -> None:
    answers = tell(batch(YES, NO, YES), path=path).json["evaluations"]
    ids = {one["context"]["id"] for one in answers}
    assert len(ids) == 3
    assert {record.id for record in logged()} == ids
    assert {one["context"]["revision"] for one in answers} == {revision()}


@pytest.mark.parametrize("path", [*PATHS, "/access/v1/evaluation"])
def test_a_single_question_gets_a_single_answer(tell: Tell, path: str) -> None:
    for more in ({}, {"evaluations": None}, {"evaluations": []}):
        answer = tell(question(**more), path=path)
        assert (answer.status_code, list(answer.json)) == (200, ["decision", "context"])
        assert answer.json["decision"] is True


def test_the_single_address_does_not_look_at_evaluations(tell: Tell) -> None:
    answer = tell(question(evaluations=[{}, {}]), path="/access/v1/evaluation")
    assert list(answer.json) == ["decision", "context"]


def test_the_single_address_ignores_options_that_are_not_ours(tell: Tell, subtests: pytest.Subtests) -> None:
    for options in (7, "fast", [], [{"at_least_revision": -1}], {}, {"evaluations_semantic": "sometimes"}, {"a": 1}):
        with subtests.test(options=options):
            answer = tell(question(options=options), path="/access/v1/evaluation")
            assert (answer.status_code, answer.json["decision"]) == (200, True)
    wrong = tell(question(options={"at_least_revision": "7"}), path="/access/v1/evaluation")
    assert (wrong.status_code, wrong.json) == (
        400,
        {"message": "options.at_least_revision must be a whole number."},
    )


def test_an_item_replaces_the_whole_of_what_stands_at_the_top(tell: Tell) -> None:
    role = {"type": "role", "id": "submit-for-assessment:teacher"}
    at_westbrook = role | {"properties": {"organisation": "westbrook"}}
    answer = tell(batch({}, {"resource": role}, resource=at_westbrook, action={"name": "use"}))
    assert codes(answer) == ["role_missing", "allowed"]


def test_what_stands_at_the_top_is_looked_at_only_where_it_is_used(tell: Tell, subtests: pytest.Subtests) -> None:
    for top in ({"type": "service"}, {}, "service", 7, None):
        with subtests.test(top=top):
            assert codes(tell(batch({"resource": SERVICE, **YES}, resource=top))) == ["allowed"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("item", "message"),
    [
        (BROKEN, "action.name must be a string."),
        ({}, "action is missing."),
        ({"action": {}}, "action.name is missing."),
        (7, "An evaluation must be an object."),
        (None, "An evaluation must be an object."),
    ],
)
def test_an_item_that_is_wrong_is_a_no_in_its_place(tell: Tell, path: str, item: Any, message: str) -> None:
    answer = tell(batch(YES, item, YES), path=path)
    assert codes(answer) == ["allowed", "not_answered", "allowed"]
    failed = answer.json["evaluations"][1]
    assert failed["decision"] is False
    assert failed["context"]["error"] == {"status": 400, "message": message}


def test_an_only_item_that_is_wrong_is_a_no_and_not_an_error(tell: Tell) -> None:
    assert codes(tell(batch(BROKEN))) == ["not_answered"]


def test_an_item_that_the_client_may_not_ask_is_a_no_in_its_place(tell: Tell) -> None:
    others = [{"resource": {"type": "service", "id": name}, **YES} for name in ("training", "nowhere")]
    answer = tell(batch(others[0], YES, others[1]))
    assert codes(answer) == ["not_answered", "allowed", "unknown_resource"]
    assert answer.json["evaluations"][0]["context"]["error"]["status"] == 403
    assert {(one.subject, one.action, one.resource, one.reason) for one in logged()} == {
        ("client:submit-for-assessment", "ask", "service:training", "not_allowed"),
        ("person:thomas-reed", "launch", "service:nowhere", "unknown_resource"),
        ("person:thomas-reed", "launch", "service:submit-for-assessment", "allowed"),
    }


@pytest.mark.parametrize(
    ("semantic", "items", "expected"),
    [
        ("execute_all", [YES, NO, BROKEN, YES], ["allowed", "unknown_action", "not_answered", "allowed"]),
        ("deny_on_first_deny", [YES, NO, YES], ["allowed", "unknown_action"]),
        ("deny_on_first_deny", [YES, BROKEN, YES], ["allowed", "not_answered"]),
        ("deny_on_first_deny", [YES, YES], ["allowed", "allowed"]),
        ("permit_on_first_permit", [NO, BROKEN, YES, NO], ["unknown_action", "not_answered", "allowed"]),
        ("permit_on_first_permit", [NO, NO], ["unknown_action", "unknown_action"]),
    ],
)
def test_a_batch_is_answered_as_far_as_its_semantic_says(
    tell: Tell, semantic: str, items: list[Any], expected: list[str]
) -> None:
    answer = tell(batch(*items, options={"evaluations_semantic": semantic}))
    assert codes(answer) == expected
    assert len(logged()) == sum(code != "not_answered" for code in expected)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"evaluations": 7}, "evaluations must be a list."),
        ({"evaluations": {}}, "evaluations must be a list."),
        ({"options": []}, "options must be an object."),
        ({"options": [], "evaluations": []}, "options must be an object."),
        (
            {"options": {"evaluations_semantic": "sometimes"}, "evaluations": None},
            "options.evaluations_semantic must be one of execute_all, deny_on_first_deny, permit_on_first_permit.",
        ),
        (
            {"options": {"evaluations_semantic": "sometimes"}},
            "options.evaluations_semantic must be one of execute_all, deny_on_first_deny, permit_on_first_permit.",
        ),
        ({"options": {"at_least_revision": "7"}}, "options.at_least_revision must be a whole number."),
        ({"options": {"at_least_revision": True}}, "options.at_least_revision must be a whole number."),
        ({"options": {"at_least_revision": -1}}, f"options.at_least_revision must be from 0 to {LARGEST_REVISION}."),
        ({"evaluations": [YES] * 101}, "There are 101 evaluations; at most 100 are answered at once."),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_what_is_wrong_with_the_whole_is_refused_as_a_whole(
    tell: Tell, path: str, more: dict[str, Any], message: str
) -> None:
    answer = tell(batch(YES) | more, path=path)
    assert (answer.status_code, answer.json) == (400, {"message": message})
    assert logged() == []


def test_a_batch_may_be_as_long_as_the_limit(tell: Tell) -> None:
    assert codes(tell(batch(*[YES] * 100))) == ["allowed"] * 100


def test_a_batch_looks_nothing_up_twice(tell: Tell) -> None:
    def queries(*items: Any) -> int:
        forget_facts()
        with counted_queries() as run:
            tell(batch(*items))
        return sum(" FROM " in query.sql for query in run)

    assert queries(*[YES] * 50) == queries(YES)


def test_all_answers_of_a_batch_are_as_of_one_moment(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cache.directory.people_by_public_id
    suspended: list[int] = []

    def suspend_everybody() -> None:
        with connected(), changing():
            Person.update(state=PersonState.SUSPENDED).execute()
            suspended.append(record(EventName.DETAILS_CHANGED, by="operator", subject="membership:all"))

    def read_before_everybody_is_suspended(name: str) -> Any:
        found = list(read(name))
        if not suspended:
            elsewhere = Thread(target=suspend_everybody)
            elsewhere.start()
            elsewhere.join()
        return iter(found)

    monkeypatch.setattr(cache.directory, "people_by_public_id", read_before_everybody_is_suspended)
    other = {"subject": {"type": "person", "id": "olivia-marsh"}, **YES}
    answer = tell(batch(YES, other))
    assert codes(answer) == ["person_not_active", "person_not_active"]
    assert {one["context"]["revision"] for one in answer.json["evaluations"]} == set(suspended)


@pytest.mark.parametrize("path", [*PATHS, "/access/v1/evaluation"])
def test_an_answer_is_at_least_as_fresh_as_the_caller_wants_it(tell: Tell, path: str) -> None:
    known = record(EventName.DETAILS_CHANGED, by="operator", subject="person:olivia-marsh")
    for headers, more in (
        ({"Tessera-At-Least": str(known)}, {}),
        ({}, {"options": {"at_least_revision": known}}),
        ({"Tessera-At-Least": "0"}, {"options": {"at_least_revision": known}}),
    ):
        assert tell(question(**more), path=path, headers=headers).json["context"]["revision"] == known


@pytest.mark.parametrize("path", [*PATHS, "/access/v1/evaluation"])
def test_what_is_not_known_yet_is_not_answered(tell: Tell, path: str) -> None:
    later = revision() + 1_000
    for headers, more in (
        ({"Tessera-At-Least": str(later)}, {}),
        ({}, {"options": {"at_least_revision": later}}),
        ({"Tessera-At-Least": str(later)}, {"options": {"at_least_revision": 1}}),
        ({"Tessera-At-Least": "0"}, {"options": {"at_least_revision": later}}),
    ):
        answer = tell(question(**more), path=path, headers=headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "not known here" in answer.json["message"]
    assert logged() == []


def test_a_batch_that_is_not_known_yet_is_not_answered(tell: Tell) -> None:
    assert tell(batch(YES, options={"at_least_revision": revision() + 1_000})).status_code == 503


def test_an_explanation_is_as_fresh_as_the_caller_wants_it(send: Send) -> None:
    asked = json.dumps(question() | {"explain": True}).encode()
    for wanted, status in ((revision(), 200), (revision() + 1_000, 503)):
        answer = send(asked, path="/authorize", headers={"Tessera-At-Least": str(wanted)})
        assert answer.status_code == status


def test_how_much_may_be_asked_at_once_is_a_setting(tell: Tell) -> None:
    change_settings(batch_limit=2)
    assert tell(batch(YES, YES)).status_code == 200
    assert tell(batch(YES, YES, YES)).status_code == 400


# An empty one is what the web server makes of one that is not ASCII.
@pytest.mark.parametrize("told", ["soon", "-1", "1.5", "٣", "9" * 17, ""])
def test_a_revision_is_a_number(tell: Tell, told: str) -> None:
    answer = tell(question(), headers={"Tessera-At-Least": told})
    assert answer.status_code == 400
    assert answer.json["message"].startswith("Tessera-At-Least must be a whole number")


@pytest.mark.parametrize("path", ["/access/v1/evaluation", "/access/v1/evaluations", "/authorize"])
def test_every_address_keeps_the_manners(app: Flask, send: Send, path: str) -> None:
    request_id = {"X-Request-ID": "r-7"}
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        answer = send(b"", path=path, method=method, headers=request_id)
        assert (answer.status_code, answer.headers["Allow"], answer.headers["X-Request-ID"]) == (405, "POST", "r-7")
        assert answer.content_type == "application/json"
    unknown = app.test_client().post(path, data=b"{}", content_type="application/json", headers=request_id)
    assert (unknown.status_code, unknown.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert unknown.headers["X-Request-ID"] == "r-7"
    for body, content_type in ((b"{}", "text/plain"), (b"", "application/json"), (b"[]", "application/json")):
        refused = send(body, path=path, content_type=content_type, headers=request_id)
        assert (refused.status_code, refused.headers["X-Request-ID"]) == (400, "r-7")
        assert list(refused.json) == ["message"]


def test_a_client_without_a_service_gets_a_no_for_each_question(tell: Tell) -> None:
    Client.update(service=None).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    assert codes(tell(batch(YES, YES), headers={"Authorization": f"Bearer {KEY}"})) == ["not_answered"] * 2
