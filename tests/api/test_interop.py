"""The Todo and API gateway scenarios of AuthZEN's interoperability events, as they are, of `tests/packs/todo`."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from flask import Flask

from app.authz.engine.engine import Engine
from app.authz.lint.policy_check import check_policy
from app.config import ROOT
from app.seeding.fixtures import read_pack
from app.seeding.loader import load_pack
from tests.running import change, restored

PACK = ROOT / "tests" / "packs" / "todo"
USERS = dict(
    zip(
        ("rick", "morty", "summer", "beth", "jerry"),
        (entry["id"] for entry in read_pack(PACK / "fixtures")["person"]),
        strict=True,
    )
)
OWNERS = {
    "rick": "rick@the-citadel.com",
    "morty": "morty@the-citadel.com",
    "summer": "summer@the-smiths.com",
    "beth": "beth@the-smiths.com",
    "jerry": "jerry@the-smiths.com",
}
EDITORS = {"morty", "summer"}

Ask = Callable[..., bool]


@pytest.fixture
def decides(portal: Flask, shipped_policy: Engine, database: None) -> Ask:
    load_pack(PACK / "fixtures")
    change(engine=Engine.load(ROOT / "policies", PACK / "policies"))

    def ask(subject: dict[str, Any], action: str, resource: dict[str, Any]) -> bool:
        answer = portal.test_client().post(
            "/access/v1/evaluation",
            json={"subject": subject, "action": {"name": action}, "resource": resource},
            headers={"Authorization": "Bearer demo-key-todo"},
        )
        assert answer.status_code == 200, answer.json
        return bool(answer.json["decision"])

    return ask


@pytest.mark.parametrize("name", USERS)
def test_the_todo_scenario(decides: Ask, name: str) -> None:
    user = {"type": "user", "id": USERS[name]}
    for owner in OWNERS.values():
        assert decides(user, "can_read_user", {"type": "user", "id": owner})
    assert decides(user, "can_read_todos", {"type": "todo", "id": "todo-1"})
    assert decides(user, "can_create_todo", {"type": "todo", "id": "todo-1"}) == (name in EDITORS | {"rick"})
    for owner, action in product(OWNERS, ("can_update_todo", "can_delete_todo")):
        todo = {"type": "todo", "id": "7240d0db-8ff0-41ec-98b2-34a096273b9f", "properties": {"ownerID": OWNERS[owner]}}
        assert decides(user, action, todo) == (name == "rick" or (name in EDITORS and name == owner))


ROUTES = {
    ("GET", "/users/{userId}"): set(USERS),
    ("GET", "/todos"): set(USERS),
    ("POST", "/todos"): {"rick", *EDITORS},
    ("PUT", "/todos/{todoId}"): {"rick", *EDITORS},
    ("DELETE", "/todos/{todoId}"): {"rick", *EDITORS},
    ("DELETE", "/todos"): set(),
}


@pytest.mark.parametrize("name", USERS)
def test_the_gateway_scenario(decides: Ask, name: str) -> None:
    for (method, route), allowed in ROUTES.items():
        resource = {"type": "route", "id": route, "properties": {"uri": "https://proxy.example.com" + route}}
        assert decides({"type": "identity", "id": USERS[name]}, method, resource) == (name in allowed)


def test_nobody_else_may_do_anything(decides: Ask) -> None:
    for kind in ("user", "identity", "robot"):
        assert not decides({"type": kind, "id": "CiRub2JvZHk"}, "can_read_todos", {"type": "todo", "id": "todo-1"})


@pytest.mark.slow
def test_the_pack_is_as_it_should_be() -> None:
    with restored():
        assert check_policy(ROOT / "policies", PACK) == []
