"""Things that services register, and asking about them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.accounts.models import Person
from app.audit.decision_log import DecisionLog
from app.audit.models import Event
from app.audit.queries import revision
from app.config import DecisionLogging
from app.kernel.errors import ProblemError
from app.organisations.models import Organisation
from app.records.models import Record
from app.services.models import Client, Service
from app.services.operations import add_client
from app.vocabulary import EventName
from tests.api.conftest import Ask, Send, Tell, question
from tests.logged import logged
from tests.running import change, change_settings, forget_facts

PATH = "/records/mark_scheme/ms-7"

pytestmark = pytest.mark.usefixtures("mark_schemes")

Put = Callable[..., TestResponse]


@pytest.fixture
def put(tell: Tell) -> Put:
    """Register a thing."""

    def put(path: str = PATH, /, **properties: Any) -> TestResponse:
        return tell({"properties": properties}, path=path, method="PUT")

    return put


def told(answer: Any) -> tuple[bool, str]:
    """Return decision and reason code of an answer."""
    assert answer.status_code == 200, answer.text
    return answer.json["decision"], answer.json["context"]["reason"]["code"]


def about(properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the mark scheme as a resource."""
    return {"type": "mark_scheme", "id": "ms-7"} | ({} if properties is None else {"properties": properties})


def test_what_is_told_of_a_thing_may_be_called_like_something_of_ours(
    tell: Tell, put: Put, subtests: pytest.Subtests
) -> None:
    for value in (7, {"name": "Northfield"}, ["northfield"], "", "a\nb", "nowhere"):
        with subtests.test(value=value):
            told_of = about({"status": "published", "organisation": value})
            single = question("thomas-reed", "read", resource=told_of)
            assert told(tell(single)) == (True, "allowed")
            assert told(tell(single | {"context": {"organisation": "northfield"}})) == (True, "allowed")
            (item,) = tell(single | {"evaluations": [{"resource": told_of}]}).json["evaluations"]
            assert item["decision"] is True
            found = tell(single, path="/access/v1/search/action")
            assert found.json["results"] == [{"name": "read"}]
            assert put(status="published", organisation=value).status_code == 200


def test_the_circumstances_name_an_organisation_whatever_the_thing_is(tell: Tell) -> None:
    published = question("thomas-reed", "read", resource=about({"status": "published"}))
    assert told(tell(published | {"context": {"organisation": "nowhere"}})) == (False, "unknown_organisation")
    # Its service may keep something else under this name, which then names no organisation.
    for other in (7, {"id": 1}, "", ["northfield"], "x" * 200, "a\0b", "north\nfield"):
        assert told(tell(published | {"context": {"organisation": other}})) == (False, "unknown_organisation")
    Organisation.delete().execute()
    forget_facts()
    for other in (7, {"id": 1}, "ACME"):
        assert told(tell(published | {"context": {"organisation": other}}))[1] != "unknown_organisation"


def test_a_registered_thing_is_shown_as_it_was_registered(put: Put, send: Send) -> None:
    told_back = put(status="draft", marks=[1, 2.5, {"of": None}])
    assert told_back.status_code == 200
    shown = send(b"", path=PATH, method="GET")
    assert shown.json == told_back.json
    assert shown.json == {
        "type": "mark_scheme",
        "id": "ms-7",
        "properties": {"status": "draft", "marks": [1, 2.5, {"of": None}]},
        "revision": revision(),
    }


def test_every_change_says_which_revision_it_made_and_is_an_event(put: Put, send: Send) -> None:
    first, second = put(status="draft"), put(status="published", grade="A")
    removed = send(b"", path=PATH, method="DELETE")
    revisions = [answer.json["revision"] for answer in (first, second, removed)]
    events = list(Event.select().order_by(Event.revision.desc()).limit(3))[::-1]
    assert [event.revision for event in events] == revisions
    assert [event.name for event in events] == [
        EventName.RECORD_REGISTERED,
        EventName.RECORD_REGISTERED,
        EventName.RECORD_REMOVED,
    ]
    assert {(event.by, event.subject) for event in events} == {
        ("client:submit-for-assessment", "record:mark_scheme:ms-7")
    }
    assert events[1].details == {"properties": 2}


def test_a_change_is_in_the_very_next_answer(put: Put, send: Send, ask: Ask) -> None:
    def may() -> tuple[bool, str]:
        # Certain on PostgreSQL, too.
        return told(ask("thomas-reed", "read", resource=about(), options={"at_least_revision": revision()}))

    assert may() == (False, "unknown_resource")
    put(status="draft")
    assert may() == (False, "not_allowed")
    put(status="published")
    assert may() == (True, "allowed")
    send(b"", path=PATH, method="DELETE")
    assert may() == (False, "unknown_resource")


def test_putting_again_leaves_nothing_of_what_was_there(put: Put) -> None:
    put(status="published", marks=7)
    put(marks=8)
    assert [row.properties for row in Record.select()] == [{"marks": 8}]


def test_a_thing_need_not_be_registered_if_the_question_tells_of_it(ask: Ask) -> None:
    assert told(ask("thomas-reed", "read", resource=about({"status": "published"}))) == (True, "allowed")
    assert told(ask("thomas-reed", "read", resource=about({}))) == (False, "not_allowed")


def test_what_a_question_tells_counts_more_than_what_was_registered_and_is_not_kept(put: Put, ask: Ask) -> None:
    def may(properties: dict[str, Any] | None = None) -> bool:
        known = {"at_least_revision": revision()}
        return told(ask("thomas-reed", "read", resource=about(properties), options=known))[0]

    put(status="draft", marks=7)
    assert may({"status": "published"}) is True
    assert may({"colour": "blue"}) is False
    assert may() is False
    put(status="published")
    assert may({"colour": "blue"}) is True
    assert may({"status": None}) is False


def test_what_a_question_tells_of_a_person_counts_more_than_what_is_known(ask: Ask) -> None:
    draft = about({"status": "draft"})
    senior = {"type": "person", "id": "thomas-reed", "properties": {"grade": "senior"}}
    assert told(ask("thomas-reed", "approve", resource=draft))[0] is False
    assert told(ask("", "approve", resource=draft, subject=senior))[0] is True
    Person.update(properties={"grade": "senior"}).where(Person.public_id == "thomas-reed").execute()
    forget_facts()
    assert told(ask("thomas-reed", "approve", resource=draft))[0] is True
    junior = senior | {"properties": {"grade": "junior"}}
    assert told(ask("", "approve", resource=draft, subject=junior))[0] is False


def test_what_a_question_tells_of_itself_reaches_the_rules(ask: Ask, subtests: pytest.Subtests) -> None:
    for properties, context, allowed in [
        ({"format": "pdf"}, {"place": {"locked": True}}, True),
        ({"format": "doc"}, {"place": {"locked": True}}, False),
        ({"format": "pdf"}, {"place": {"locked": False}}, False),
        ({"format": "pdf"}, {"place": {}}, False),
    ]:
        with subtests.test(properties=properties, context=context):
            action = {"name": "export", "properties": properties}
            assert told(ask("thomas-reed", resource=about({}), action=action, context=context))[0] is allowed


def test_an_action_that_a_declared_kind_does_not_know_is_a_no(ask: Ask) -> None:
    assert told(ask("thomas-reed", "read", resource=about({"open": True}))) == (True, "allowed")
    assert told(ask("thomas-reed", "fly", resource=about({"open": True}))) == (False, "unknown_action")


def test_a_name_of_a_kind_is_written_in_one_way(ask: Ask) -> None:
    Client.update(kinds=["MarkScheme", "markscheme"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    for kind in ("MarkScheme", "markscheme"):
        thing = {"type": kind, "id": "ms-7", "properties": {"status": "published"}}
        assert told(ask("thomas-reed", "read", resource=thing)) == (False, "unknown_resource")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_client_reaches_only_kinds_that_it_has_declared(send: Send, method: str) -> None:
    Client.update(kinds=["service"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    answer = send(b'{"properties": {}}', path=PATH, method=method)
    assert answer.status_code == 403
    assert "only about: service" in answer.json["message"]
    assert Record.select().count() == 0
    [refused] = logged()
    action = "ask" if method == "GET" else "register"
    assert (refused.action, refused.resource, refused.reason) == (action, "mark_scheme:ms-7", "not_allowed")


def test_a_refusal_to_register_is_kept_before_it_is_told(send: Send) -> None:
    log = DecisionLog(DecisionLogging.DURABLE)
    change(decision_log=log)
    Client.update(kinds=["service"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    assert send(b'{"properties": {}}', path=PATH, method="PUT").status_code == 403
    assert [record.action for record in logged()] == ["register"]
    log.close()


def test_a_service_reaches_nothing_of_a_kind_that_belongs_to_another(put: Put, send: Send, tell: Tell) -> None:
    put(status="published")
    other = Service.get(slug="access-to-scripts")
    with pytest.raises(ProblemError, match="The kind mark_scheme belongs to the service submit-for-assessment"):
        add_client("Other", other, ["mark_scheme"])
    _client, key = add_client("Other", other, ["service", "script"])
    theirs = {"Authorization": f"Bearer {key}"}
    for method in ("GET", "PUT", "DELETE"):
        assert send(b'{"properties": {}}', path=PATH, method=method, headers=theirs).status_code == 403
    assert tell(question("thomas-reed", "read", resource=about()), headers=theirs).status_code == 403
    assert send(b"", path=PATH, method="GET").json["properties"] == {"status": "published"}


@pytest.mark.parametrize("path", ["/records/service/submit-for-assessment", "/records/script/7"])
def test_only_kinds_that_the_policy_declares_are_registered(send: Send, path: str) -> None:
    Client.update(kinds=["service", "script"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    for method in ("GET", "PUT", "DELETE"):
        answer = send(b'{"properties": {}}', path=path, method=method)
        assert answer.status_code == 404
        assert "The rules declare no" in answer.json["message"]


def test_what_is_not_there_is_not_found(send: Send) -> None:
    for method in ("GET", "DELETE"):
        answer = send(b"", path=PATH, method=method, headers={"X-Request-ID": "r-3"})
        assert (answer.status_code, answer.json) == (404, {"message": "There is no mark_scheme ms-7."})
        assert answer.headers["X-Request-ID"] == "r-3"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"properties": 7}, "properties must be an object."),
        ({"properties": {"a": ["\0"]}}, "properties must not contain the character NUL."),
        ({"properties": {"a\0": 1}}, "properties must not contain the character NUL."),
    ],
)
def test_properties_are_an_object_that_every_database_stores(tell: Tell, body: dict[str, Any], message: str) -> None:
    answer = tell(body, path=PATH, method="PUT")
    assert (answer.status_code, answer.json) == (400, {"message": message})


def test_what_only_looks_like_the_character_nul_is_stored(put: Put) -> None:
    assert put(path="C:\\u0000").json["properties"] == {"path": "C:\\u0000"}


@pytest.mark.parametrize(
    "name", ["a/b", "/a", "a//b", "//", "a/", "a b", "a%2Fb", "ünï", "https://example.org/ms/7?x=1", "x" * 200]
)
def test_a_name_may_hold_anything_that_is_printed(put: Put, ask: Ask, name: str) -> None:
    from urllib.parse import quote

    answer = put(f"/records/mark_scheme/{quote(name, safe='')}", status="published")
    assert (answer.status_code, answer.json["id"]) == (200, name)
    assert told(ask("thomas-reed", "read", "mark_scheme", name)) == (True, "allowed")


def test_slashes_need_not_be_hidden_in_a_name(put: Put) -> None:
    for name in ("a//b", "//x/", "a/../b"):
        assert put(f"/records/mark_scheme/{name}").json["id"] == name


@pytest.mark.parametrize("path", ["mark_scheme/\xff", "mark_scheme/\xfe", "mark_scheme/a\xed\xa0\x80", "\xff/a"])
def test_an_address_is_utf_8(tell: Tell, path: str) -> None:
    # As a server hands its bytes over; the test client sends nothing but UTF-8.
    answer = tell({}, path=PATH, method="PUT", environ_overrides={"PATH_INFO": f"/records/{path}"})
    assert (answer.status_code, answer.json) == (400, {"message": "The address must be UTF-8."})
    assert Record.select().count() == 0


def test_what_a_server_makes_of_other_bytes_is_no_name(put: Put) -> None:
    # Any two of such names would be one.
    answer = put("/records/mark_scheme/%EF%BF%BD")
    assert (answer.status_code, answer.json) == (400, {"message": "The address must be UTF-8."})


@pytest.mark.parametrize("name", ["", "x" * 256, "a%1Bb", "a%00b", "a%0Ab", "a%0A", "%0A"])
def test_a_name_that_no_question_could_ask_about_is_refused(put: Put, name: str) -> None:
    answer = put(f"/records/mark_scheme/{name}")
    assert answer.status_code == 400
    assert answer.json["message"].startswith("id must ")


def test_other_methods_are_refused(send: Send) -> None:
    answer = send(b"", path=PATH, method="POST")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, PUT, DELETE")


def test_whoever_has_no_key_learns_nothing(send: Send) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert send(b"", path=PATH, method=method, headers={"Authorization": ""}).status_code == 401


def test_a_thing_is_shown_as_fresh_as_the_caller_wants_it(put: Put, send: Send) -> None:
    known = put(status="draft").json["revision"]
    for wanted, status in ((known, 200), (known + 1, 503)):
        answer = send(b"", path=PATH, method="GET", headers={"Tessera-At-Least": str(wanted)})
        assert answer.status_code == status


def test_two_things_of_a_batch_are_told_apart(put: Put, tell: Tell) -> None:
    put(status="published")
    answer = tell(
        {
            "subject": {"type": "person", "id": "thomas-reed"},
            "action": {"name": "read"},
            "evaluations": [
                {"resource": about()},
                {"resource": about({"status": "draft"})},
                {"resource": about() | {"id": "ms-8"}},
            ],
        }
    )
    assert [one["decision"] for one in answer.json["evaluations"]] == [True, False, False]


class TestLimits:
    def test_what_is_registered_of_one_thing_is_bounded(self, send: Send) -> None:
        change_settings(record_bytes=100)
        for text, status in (("x" * 85, 200), ("x" * 90, 413), ("é" * 42, 200), ("é" * 45, 413)):
            body = json.dumps({"properties": {"note": text}}).encode()
            answer = send(body, path=PATH, method="PUT")
            assert answer.status_code == status, len(text)
        assert "100 bytes" in answer.json["message"]

    def test_so_many_things_of_a_kind_are_registered_and_no_more(self, send: Send) -> None:
        change_settings(records_limit=2)
        body = b'{"properties": {}}'
        paths = [f"/records/mark_scheme/{number}" for number in range(3)]
        assert [send(body, path=path, method="PUT").status_code for path in paths] == [200, 200, 409]
        # What is there may be changed, and what is deleted makes room.
        assert send(body, path=paths[0], method="PUT").status_code == 200
        assert send(b"", path=paths[0], method="DELETE").status_code == 200
        assert send(body, path=paths[2], method="PUT").status_code == 200

    @pytest.mark.parametrize("body", [b"{}", b'{"status": "draft"}', b'{"properties": null}'])
    def test_what_is_registered_is_not_forgotten_by_a_slip(self, put: Put, send: Send, body: bytes) -> None:
        put(status="draft")
        assert send(body, path=PATH, method="PUT").status_code == 400
        assert send(b"", path=PATH, method="GET").json["properties"] == {"status": "draft"}

    def test_an_event_keeps_how_many_names_there_are(self, send: Send) -> None:
        body = json.dumps({"properties": {f"name-{number}": 1 for number in range(500)}}).encode()
        assert send(body, path=PATH, method="PUT").status_code == 200
        event = Event.select().order_by(Event.revision.desc()).get()
        assert event.details == {"properties": 500}


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("kind", ["service", "role", "person", "x"])
def test_what_is_no_record_is_nowhere_for_a_process_that_knows_nothing_yet(send: Send, method: str, kind: str) -> None:
    forget_facts()
    answer = send(b'{"properties": {}}', path=f"/records/{kind}/training:user", method=method)
    assert answer.status_code == 404
