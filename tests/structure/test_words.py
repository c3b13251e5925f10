"""The words that code, policy, pages and people share are the same words."""

import ast
import re

from app.authz.engine.engine import Engine
from app.config import ROOT
from app.vocabulary import PERMISSIONS, REASON_SENTENCES, Action, EventName, Reason, Seen, Who
from tests.structure.syntax import syntax_tree

APP = ROOT / "app"

# Asked by services through /authorize, in their own words, and never by a page.
ASKED_FROM_OUTSIDE = {Action.USE}


def test_the_policy_declares_what_the_code_asks_and_nothing_else() -> None:
    assert Engine.load(ROOT / "policies").permissions == PERMISSIONS


def test_every_action_belongs_to_some_kind_of_thing() -> None:
    assert frozenset().union(*PERMISSIONS.values()) == frozenset(Action)


def named(enumeration: str) -> set[str]:
    """Return the members of `enumeration` that the code names, outside the vocabulary itself."""
    return {
        node.attr
        for path in APP.rglob("*.py")
        if path.name != "vocabulary.py"
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enumeration
    }


def test_every_action_is_asked_somewhere() -> None:
    in_templates = {word for path in APP.rglob("*.html") for word in re.findall(r"can\('([a-z_]+)'", path.read_text())}
    asked = {Action[name] for name in named("Action")} | {Action(word) for word in in_templates} | ASKED_FROM_OUTSIDE
    assert set(Action) - asked == set(), "an action that nobody asks about is a rule that nobody needs"


def test_every_event_happens_somewhere() -> None:
    assert {event.name for event in EventName} - named("EventName") == set()


def test_every_reason_is_a_sentence() -> None:
    assert set(REASON_SENTENCES) == set(Reason)
    for sentence in REASON_SENTENCES.values():
        assert re.fullmatch(r"[A-Z][^.]+\.", sentence)


def test_every_reason_can_be_given() -> None:
    assert {reason.name for reason in Reason} - named("Reason") == set()


def test_everything_that_can_be_said_of_an_answer_is_said_somewhere() -> None:
    assert {who.name for who in Who} - named("Who") == set()
    assert {seen.name for seen in Seen} - named("Seen") == set()
