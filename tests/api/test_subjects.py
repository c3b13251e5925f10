"""Who asks is a person, under whatever name the client has for one, or what a pack declares: an agent, a device."""

from pathlib import Path
from typing import Any

import pytest

from app.authz.engine.engine import Engine
from app.authz.engine.source import PolicySource
from app.authz.lint.findings import RuleId
from app.authz.lint.linter import lint
from app.config import ROOT
from app.kernel.database import changing
from app.records.operations import put_record
from app.services.models import Client
from tests.api.conftest import MARK_SCHEMES, Tell
from tests.logged import logged
from tests.running import change, forget_facts

AGENTS = """
actor Agent {}

has_permission(agent: Agent, "mark", scheme: MarkScheme) if
  agent.properties.vendor = "acme" and
  scheme.properties.ready = true;

has_permission(agent: Agent, "export", _scheme: MarkScheme) if
  agent.id = "exporter";
"""
LONG = "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs" * 4


@pytest.fixture(autouse=True)
def agents(mark_schemes: None, tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "mark_scheme.polar").write_text(MARK_SCHEMES)
    (folder / "agent.polar").write_text(AGENTS)
    change(engine=Engine.load(ROOT / "policies", folder))


def asked(tell: Tell, subject: dict[str, Any], action: str = "mark", **properties: Any) -> tuple[bool, str]:
    resource = {"type": "mark_scheme", "id": "ms-1", "properties": properties}
    answer = tell({"subject": subject, "action": {"name": action}, "resource": resource})
    assert answer.status_code == 200, answer.json
    return answer.json["decision"], answer.json["context"]["reason"]["code"]


def test_a_subject_that_a_pack_declares_is_described(tell: Tell) -> None:
    agent = {"type": "agent", "id": LONG, "properties": {"vendor": "acme"}}
    assert asked(tell, agent, ready=True) == (True, "allowed")
    assert asked(tell, agent, ready=False) == (False, "not_allowed")
    assert asked(tell, agent | {"properties": {"vendor": "other"}}, ready=True) == (False, "not_allowed")
    assert [one.subject for one in logged()] == [f"agent:{LONG}"] * 3


def test_or_registered_or_known_by_its_id_alone(tell: Tell) -> None:
    with changing():
        put_record("agent", "a-1", {"vendor": "acme"}, by="operator")
    assert asked(tell, {"type": "agent", "id": "a-1"}, ready=True) == (True, "allowed")
    assert asked(tell, {"type": "agent", "id": "a-1", "properties": {"vendor": "x"}}, ready=True)[0] is False
    assert asked(tell, {"type": "agent", "id": "exporter"}, "export") == (True, "allowed")
    assert asked(tell, {"type": "agent", "id": "a-2"}, "export") == (False, "not_allowed")


def test_an_agent_is_nobody_in_the_directory(tell: Tell) -> None:
    for kind in ("service", "role"):
        answer = tell(
            {
                "subject": {"type": "agent", "id": "olivia-marsh"},
                "action": {"name": "launch" if kind == "service" else "use"},
                "resource": {"type": kind, "id": "submit-for-assessment" + (":teacher" if kind == "role" else "")},
            }
        )
        assert answer.json["decision"] is False


def test_agents_are_searched_for_among_the_registered_ones(tell: Tell) -> None:
    with changing():
        for name, vendor in (("a-1", "acme"), ("a-2", "other"), ("a-3", "acme")):
            put_record("agent", name, {"vendor": vendor}, by="operator")
    body = {
        "subject": {"type": "agent"},
        "action": {"name": "mark"},
        "resource": {"type": "mark_scheme", "id": "ms-1", "properties": {"ready": True}},
    }
    found = tell(body, path="/access/v1/search/subject").json["results"]
    assert found == [{"type": "agent", "id": "a-1"}, {"type": "agent", "id": "a-3"}]
    assert logged()[-1].subject == "agent:*"
    body["subject"] = {"type": "agent", "id": "exporter"}
    del body["action"]
    assert tell(body, path="/access/v1/search/action").json["results"] == [{"name": "export"}]


@pytest.mark.parametrize("kind", ["identity", "Agent", "ai_agent", "robot"])
def test_a_type_of_subject_that_nobody_declares_is_unknown(tell: Tell, kind: str) -> None:
    assert asked(tell, {"type": kind, "id": "exporter"}, "export") == (False, "unknown_subject")


def test_a_client_may_have_names_of_its_own_for_a_person(tell: Tell) -> None:
    body = {
        "subject": {"type": "identity", "id": "thomas-reed"},
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": "submit-for-assessment"},
    }
    assert tell(body).json["context"]["reason"]["code"] == "unknown_subject"
    Client.update(person_types=["identity"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    assert tell(body).json["decision"] is True
    assert tell(body | {"subject": {"type": "person", "id": "thomas-reed"}}).json["decision"] is True
    found = tell(body | {"subject": {"type": "identity"}}, path="/access/v1/search/subject").json["results"]
    assert {"type": "identity", "id": "thomas-reed"} in found
    # A stranger is one under this name, too.
    for name in ("helen-frost", "nobody-at-all"):
        answer = tell(body | {"subject": {"type": "identity", "id": name}}).json
        assert answer["context"]["reason"]["code"] == "role_missing"


def test_a_pack_declares_subjects_of_its_own_alone(tmp_path: Path) -> None:
    (tmp_path / "record.polar").write_text("actor Person {}\nactor Device {}\n")
    findings, _engine = lint(PolicySource.read(ROOT / "policies", tmp_path))
    misplaced = [(finding.rule, finding.line) for finding in findings if finding.file == "record.polar"]
    assert (RuleId.MISPLACED_BLOCK, 1) in misplaced
    assert (RuleId.MISPLACED_BLOCK, 2) not in misplaced
