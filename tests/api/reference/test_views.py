"""What authors of services read: the document, the page, the guide; and that what they copy works."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.serving import make_server

from app.api.reference.samples import CAST, Sample, samples
from app.audit.decision_log import DecisionLog
from app.authz.engine.engine import Engine
from app.config import ROOT, Settings
from app.kernel import database as kernel
from app.vocabulary import REASON_SENTENCES
from tests.api.conftest import KEY, Ask, Tell, question
from tests.running import change, change_settings, forget_facts, restored

pytestmark = pytest.mark.one_database

GUIDE = ROOT / "docs" / "decisions.md"
COMMANDS = {
    "shell": ["sh", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "--eval"],
}


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_the_document_describes_the_messages_that_are_really_sent(client: FlaskClient, ask: Ask) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    answer = ask("iris-bell").json
    assert set(answer) == set(schemas["Answer"]["properties"])
    assert set(answer["context"]) == set(schemas["AnswerContext"]["required"])
    assert set(answer["context"]["reason"]) == set(schemas["Reason"]["properties"])
    assert set(schemas["EvaluationRequest"]["required"]) == {"subject", "action", "resource"}


def test_the_document_describes_every_address_for_programs(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    undescribed = {"/openapi.json", "/docs", "/access/<anything:rest>", "/authorize/<anything:rest>"}
    undescribed |= {"/records/<anything:rest>"}
    served = {rule.rule for rule in client.application.url_map.iter_rules() if rule.methods is None} - undescribed
    assert {path.replace("{", "<").replace("}", ">") for path in document["paths"]} == {
        path.replace("string:kind", "type").replace("anything:record_id", "id") for path in served
    }


def test_the_page_names_every_address(client: FlaskClient) -> None:
    page = unescape(client.get("/docs").text)
    for path, operations in client.get("/openapi.json").json["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page


def test_the_document_describes_batches_and_searches_that_are_really_answered(client: FlaskClient, tell: Tell) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    failed = tell(question(evaluations=[{"action": {}}])).json["evaluations"][0]
    assert set(failed) == set(schemas["FailedItem"]["properties"])
    assert set(failed["context"]) == set(schemas["FailedItemContext"]["properties"])
    for sought, schema, entry in (("subject", "Entities", "FoundEntity"), ("action", "Actions", "FoundAction")):
        answer = tell(question(), path=f"/access/v1/search/{sought}").json
        assert set(answer) == set(schemas[schema]["properties"])
        assert set(answer["page"]) == set(schemas["Page"]["properties"])
        assert set(answer["context"]) == set(schemas["SearchContext"]["properties"])
        assert set(answer["results"][0]) == set(schemas[entry]["properties"])


MEMBERS = [
    ("EvaluationRequest", "subject", False),
    ("EvaluationRequest", "context", True),
    ("EvaluationRequest", "options", True),
    ("Options", "at_least_revision", True),
    ("Subject", "id", False),
    ("Subject", "properties", True),
    ("Resource", "properties", True),
    ("EvaluationsRequest", "evaluations", True),
    ("EvaluationsOptions", "evaluations_semantic", True),
    ("EvaluationItem", "action", True),
    ("AuthorizeRequest", "explain", True),
    ("PageRequest", "limit", True),
    ("RecordRequest", "properties", False),
]


def test_the_document_says_where_null_may_stand(client: FlaskClient, subtests: pytest.Subtests) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    for schema, name, may_be_null in MEMBERS:
        with subtests.test(f"{schema}.{name}"):
            member = schemas[schema]["properties"][name]
            types = [kind for part in (member, *member.get("anyOf", ())) for kind in as_list(part.get("type"))]
            assert ("null" in types or None in member.get("enum", ())) is may_be_null


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_document_says_what_a_name_may_hold(client: FlaskClient) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    pattern = schemas["Resource"]["properties"]["id"]["pattern"]
    assert re.search(pattern, "a b/é")
    for character in "\0\x1b\x7f\x85":
        assert not re.search(pattern, f"a{character}b")


def test_the_document_says_how_many_questions_fit_into_a_message(app: Flask, settings: Settings) -> None:
    change_settings(batch_limit=7)
    schemas = app.test_client().get("/openapi.json").json["components"]["schemas"]
    for name in ("EvaluationsRequest", "AuthorizeRequest"):
        assert schemas[name]["properties"]["evaluations"]["maxItems"] == 7


def test_the_document_describes_the_headers_that_an_error_comes_with(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, name in (("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After")):
                if status in operation["responses"] and operation["security"]:
                    assert {name, "X-Request-ID"} <= set(operation["responses"][status]["headers"])
    assert "took too long" in document["paths"]["/authorize"]["post"]["responses"]["503"]["description"]


def test_the_document_gives_every_reason_with_its_sentence(client: FlaskClient) -> None:
    code = client.get("/openapi.json").json["components"]["schemas"]["Reason"]["properties"]["code"]
    assert {one["const"]: one["description"] for one in code["oneOf"]} == REASON_SENTENCES


def test_the_document_may_be_kept_and_is_not_sent_twice(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    assert first.headers["Cache-Control"] == "public, max-age=300"
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", ["/openapi.json", "/health", "/docs"])
def test_a_wrong_method_is_refused_as_json(client: FlaskClient, path: str) -> None:
    answer = client.post(path, headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.json == {"message": "Use GET, HEAD here."}


def test_the_page_shows_what_the_document_says(client: FlaskClient) -> None:
    page = unescape(client.get("/docs").text)
    assert "<title>Decision API" in page
    for name in ("subject.id", "resource.properties.organisation", "context.reason.code"):
        assert f"<code>{name}</code>" in page
    for code, sentence in REASON_SENTENCES.items():
        assert f"<code>{code}</code>" in page
        assert sentence in page
    for status in (200, 400, 401, 403, 405, 413, 429, 500, 503):
        assert f'<th scope="row">{status}</th>' in page
    for sample in samples("http://127.0.0.1:8000", CAST):
        assert sample.source in page


def test_the_page_never_shows_the_demo_key_outside_development(app: Flask, settings: Settings) -> None:
    change_settings(development=False, public_url="https://portal.example.org")
    page = app.test_client().get("/docs").text
    assert KEY not in page
    assert "Bearer YOUR-KEY" in page
    assert "https://portal.example.org/authorize" in page


def test_the_page_is_there_for_whoever_has_not_signed_in(client: FlaskClient) -> None:
    answer = client.get("/docs", headers={"X-Request-ID": "r-1"})
    assert (answer.content_type, answer.headers["X-Request-ID"]) == ("text/html; charset=utf-8", "r-1")


@pytest.mark.parametrize("sample", samples("http://127.0.0.1:8000", CAST), ids=lambda sample: sample.language)
def test_the_guide_holds_the_programs_as_they_are(sample: Sample) -> None:
    assert sample.source in GUIDE.read_text(), "copy it again from app/api/samples.py"


def test_the_guide_explains_every_reason() -> None:
    guide = GUIDE.read_text()
    for code in REASON_SENTENCES:
        assert f"| `{code}` |" in guide, f"docs/decisions.md does not say what {code} means"


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The address of the portal, reached over a real socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("language", COMMANDS)
def test_a_program_works_as_it_stands_and_takes_every_trouble_for_a_no(address: str, language: str) -> None:
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{COMMANDS[language][0]} is not on this machine, so the {language} program was not run")

    def said(where: str, key: str) -> str:
        (source,) = (one.source for one in samples(where, CAST._replace(key=key)) if one.language == language)
        return subprocess.run(
            [*COMMANDS[language], source], capture_output=True, text=True, timeout=30, check=False
        ).stdout.strip()

    assert '"decision": true' in said(address, KEY) or said(address, KEY).lower() == "true"
    for answer in (said(address, "wrong-key"), said("http://127.0.0.1:9", KEY)):
        assert answer.lower() == "false" or (language == "shell" and "true" not in answer)


def test_health_is_well_while_database_and_policy_are_there(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "decisions_dropped": 0, "warnings": []})
    assert answer.headers["Cache-Control"] == "no-store"


def test_health_is_not_well_without_a_policy(client: FlaskClient) -> None:
    change(engine=None)
    answer = client.get("/health")
    assert (answer.status_code, answer.json) == (503, {"message": "Questions cannot be answered at the moment."})


def test_health_is_not_well_while_answers_cannot_be_recorded(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DecisionLog, "keeps_up", False)
    answer = client.get("/health")
    assert (answer.status_code, answer.json) == (503, {"message": "Questions cannot be answered at the moment."})


def test_without_the_database_everything_for_programs_is_still_json(
    client: FlaskClient, ask: Ask, tmp_path: Path
) -> None:
    with restored():
        change(database=kernel.open_database(f"sqlite:///{tmp_path / 'moved' / 'tessera.db'}"))
        forget_facts()
        shutil.rmtree(tmp_path / "moved")
        health, answer = client.get("/health"), ask()
    assert (health.status_code, list(health.json)) == (503, ["message"])
    assert (answer.status_code, answer.headers["Retry-After"], list(answer.json)) == (503, "1", ["message"])
    assert "moved" not in answer.text


def test_the_page_of_a_pack_shows_an_example_of_the_pack(client: FlaskClient) -> None:
    change_settings(pack_dir=ROOT / "tests" / "packs" / "authzen")
    change(engine=Engine.load(ROOT / "policies", ROOT / "tests" / "packs" / "authzen" / "policies"))
    page = client.get("/docs").text
    assert "Bearer demo-key-certification" in page
    assert "record-1" in page
    assert "olivia.marsh" not in page.partition("curl")[2].partition("</pre>")[0]
