"""The certification scenario of AuthZEN 1.0, asked over HTTP of the pack in `tests/packs/authzen`."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.authz.engine.engine import Engine
from app.authz.lint.policy_check import check_policy
from app.config import ROOT
from app.seeding.loader import load_pack
from tests.running import change, restored

PACK = ROOT / "tests" / "packs" / "authzen"
PATH = "/access/v1"

Post = Callable[..., TestResponse]


@pytest.fixture
def post(portal: Flask, shipped_policy: Engine, database: None) -> Post:
    """Ask a portal with the pack; what is missing is as the scenario mostly has it."""
    load_pack(PACK / "fixtures")
    change(engine=Engine.load(ROOT / "policies", PACK / "policies"))

    def post(path: str, body: dict[str, Any], **more: Any) -> TestResponse:
        headers = {"Authorization": "Bearer demo-key-certification", "X-Request-ID": "certification-1"}
        answer = portal.test_client().post(f"{PATH}/{path}", json=body, headers=headers | more)
        assert answer.headers["X-Request-ID"] == "certification-1"
        assert answer.content_type == "application/json"
        return answer

    return post


def user(name: str, **properties: Any) -> dict[str, Any]:
    return {"type": "user", "id": name} | ({"properties": properties} if properties else {})


def action(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name} | ({"properties": properties} if properties else {})


def record(name: str, **properties: Any) -> dict[str, Any]:
    return {"type": "record", "id": name} | ({"properties": properties} if properties else {})


DECISIONS = [
    (user("alice"), action("read"), record("record-1"), True),
    (user("alice"), action("write"), record("record-1"), True),
    (user("bob"), action("read"), record("record-1"), True),
    (user("bob"), action("write"), record("record-1"), False),
    (user("alice"), action("write"), record("record-1", status="archived"), False),
    (user("bob", role="admin"), action("write"), record("record-1", status="archived"), True),
    (user("alice", role="admin"), action("write"), record("record-1", status="archived"), True),
    (user("alice"), action("delete", soft=True), record("record-1"), True),
    (user("alice"), action("delete", soft=False), record("record-1"), False),
    (user("alice"), action("delete"), record("record-1"), False),
    (user("alice"), action("read"), record("record-2"), True),
    (user("carol"), action("read"), record("record-1"), False),
    (user("alice"), action("fly"), record("record-1"), False),
    (user("alice"), action("read"), record("record-9"), False),
]


def body(case: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("subject", "action", "resource"), case, strict=False))


def test_each_question_of_the_scenario_gets_its_answer(post: Post, subtests: pytest.Subtests) -> None:
    for case in DECISIONS:
        with subtests.test(case=case[:3]):
            for _ in range(3):
                answer = post("evaluation", body(case))
                assert (answer.status_code, answer.json["decision"]) == (200, case[3])


def test_the_circumstances_change_nothing(post: Post, subtests: pytest.Subtests) -> None:
    for case in DECISIONS:
        with subtests.test(case=case[:3]):
            answer = post("evaluation", body(case) | {"context": {"time": "2026-11-24T00:00:00Z", "deep": {"a": [1]}}})
            assert answer.json["decision"] is case[3]


def test_a_batch_of_all_gets_all_answers(post: Post) -> None:
    answer = post("evaluations", {"evaluations": [body(case) for case in DECISIONS]})
    assert [one["decision"] for one in answer.json["evaluations"]] == [case[3] for case in DECISIONS]
    assert "decision" not in answer.json


def test_a_batch_takes_what_is_missing_from_the_top_whole(post: Post) -> None:
    answer = post(
        "evaluations",
        {
            **body(DECISIONS[4]),
            "evaluations": [{}, {"resource": record("record-1")}, {"action": action("read")}, {"subject": user("bob")}],
        },
    )
    assert [one["decision"] for one in answer.json["evaluations"]] == [False, True, True, True]


def test_a_batch_stops_where_it_is_told_to(post: Post) -> None:
    items = [{"action": action("read")}, {"action": action("fly")}, {"action": action("write")}]
    whole = {"subject": user("alice"), "resource": record("record-1"), "evaluations": items}
    for semantic, expected in (
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ):
        answer = post("evaluations", whole | {"options": {"evaluations_semantic": semantic}})
        assert [one["decision"] for one in answer.json["evaluations"]] == expected
    assert post("evaluations", whole | {"options": {"evaluations_semantic": "other"}}).status_code == 400


SEARCHES = [
    ("subject", {"type": "user"}, action("read"), record("record-1"), [user("alice"), user("bob")]),
    ("resource", user("alice"), action("read"), {"type": "record"}, [record("record-1"), record("record-2")]),
    ("action", user("alice"), None, record("record-1"), [action("read"), action("write")]),
    ("subject", {"type": "user"}, action("write"), record("record-2", status="archived"), [user("bob")]),
    ("resource", user("bob", role="admin"), action("write"), {"type": "record"}, [record("record-2")]),
    (
        "action",
        user("bob", role="admin"),
        None,
        record("record-2", status="archived"),
        [action("read"), action("write")],
    ),
]


def test_each_search_of_the_scenario_finds_what_it_should(post: Post, subtests: pytest.Subtests) -> None:
    for number, (sought, *question, found) in enumerate(SEARCHES, 1):
        asked = {name: part for name, part in body(tuple(question)).items() if part is not None}
        with subtests.test(f"S{number}"):
            answer = post(f"search/{sought}", asked)
            assert (answer.status_code, next(iter(answer.json))) == (200, "page")
            assert answer.json["results"] == found


def test_what_a_search_finds_is_allowed_when_it_is_asked_about(post: Post) -> None:
    for sought, *question, found in SEARCHES:
        for one in found:
            asked = body(tuple(question))
            asked[sought] = {**(asked[sought] or {}), **one}
            assert post("evaluation", asked).json["decision"] is True


def test_a_search_goes_on_with_the_token_alone(post: Post) -> None:
    asked = {"subject": user("alice"), "action": action("read"), "resource": {"type": "record"}}
    first = post("search/resource", asked | {"page": {"limit": 1}})
    token = first.json["page"]["next_token"]
    rest = post("search/resource", asked | {"page": {"token": token}})
    assert first.json["results"] + rest.json["results"] == [record("record-1"), record("record-2")]
    assert token
    assert rest.json["page"]["next_token"] == ""
    changed = asked | {"subject": user("bob"), "page": {"token": token}}
    assert post("search/resource", changed).status_code == 400


WRONG = [
    {},
    {"subject": user("alice"), "action": action("read")},
    {"subject": {"type": "user"}, "action": action("read"), "resource": record("record-1")},
    {"subject": user("alice"), "action": {}, "resource": record("record-1")},
    {"subject": user("alice"), "action": action("read"), "resource": {"id": "record-1"}},
    {"subject": "alice", "action": action("read"), "resource": record("record-1")},
    {"subject": user("alice"), "action": {"name": 7}, "resource": record("record-1")},
    {"subject": user("alice"), "action": "read", "resource": record("record-1")},
    {"subject": user("alice"), "action": action("read"), "resource": record("record-1"), "context": 7},
]


def test_a_question_that_is_none_is_refused(post: Post, subtests: pytest.Subtests) -> None:
    for wrong in WRONG:
        with subtests.test(wrong=wrong):
            for path in ("evaluation", "evaluations"):
                answer = post(path, wrong)
                assert (answer.status_code, list(answer.json)) == (400, ["message"])


def test_whoever_proves_nothing_is_told_how_to(post: Post) -> None:
    answer = post("evaluation", body(DECISIONS[0]), Authorization="Basic abc")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.slow
def test_the_pack_is_as_it_should_be() -> None:
    with restored():
        assert check_policy(ROOT / "policies", PACK) == []
