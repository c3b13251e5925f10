"""One straight way from question to answer: nothing is decided or looked up twice, and little is called on the way."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from flask import Flask

from app.authz.engine.engine import Engine
from app.authz.information.cache import DirectoryView
from app.config import ROOT
from app.services.models import Service
from tests.api.conftest import KEY, Ask, question
from tests.running import change, forget_facts

MOST_FUNCTIONS = 40
"""On the way to an allow; half of the 81 that there were before the way was straightened."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Iterator[Counter[Any]]:
    """Count the calls of a method by what they are about."""
    calls: Counter[Any] = Counter()
    original = getattr(owner, name)

    def counting(self: object, *arguments: Any) -> Any:
        calls[arguments[1] if name == "answer" else arguments] += 1
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counting)
        yield calls


@pytest.mark.parametrize(("person", "allowed"), [("olivia-marsh", True), ("iris-bell", False)])
def test_one_question_is_decided_once_and_once_whether_it_may_be_asked(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, person: str, allowed: bool
) -> None:
    # The first no searches for its reason, by asking what would be allowed after a change.
    ask(person)
    with counted(monkeypatch, Engine, "answer") as decided:
        assert ask(person).json["decision"] is allowed
    assert decided == {"ask": 1, "launch": 1} | ({} if allowed else {"learn_about": 1})


def test_what_a_question_names_is_looked_up_once(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("iris-bell")
    with (
        counted(monkeypatch, DirectoryView, "person") as people,
        counted(monkeypatch, DirectoryView, "service") as services,
        counted(monkeypatch, DirectoryView, "organisation") as organisations,
    ):
        ask("iris-bell", context={"organisation": "90101"})
    assert [set(calls.values()) for calls in (people, services, organisations)] == [{1}, {1}, {1}]


def test_the_scope_of_a_client_follows_the_state_of_its_service(ask: Ask, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    path = folder / "evaluation.polar"
    path.write_text(
        path.read_text().replace("= client.service;", '= client.service and evaluation.service.state = "live";')
    )
    change(engine=Engine.load(folder))
    assert ask().status_code == 200
    for state, status in (("hidden", 403), ("live", 200)):
        Service.update(state=state).where(Service.slug == "submit-for-assessment").execute()
        forget_facts()
        assert ask().status_code == status


def test_an_allow_passes_few_functions(app: Flask) -> None:
    body = json.dumps(question("olivia-marsh")).encode()
    client = app.test_client()

    def send() -> None:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        assert client.post("/authorize", data=body, headers=headers).json["decision"] is True

    # Until the tree of this decision is compiled, a walk takes its place.
    for _ in range(200):
        send()
    # Some of them also look whether another file took the place of the database, which happens every 10 milliseconds.
    called = min((functions_called(send) for _ in range(5)), key=len)
    assert len(called) <= MOST_FUNCTIONS, sorted(f"{code.co_filename}:{code.co_name}" for code in called)


def functions_called(action: Callable[[], None]) -> set[CodeType]:
    """Return the functions of the portal that `action` calls, generated ones included."""
    called: set[CodeType] = set()
    ours = (f"{ROOT}/app/", "<recorded decisions>")

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ours):
            called.add(frame.f_code)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return called
