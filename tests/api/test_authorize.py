"""What callers are told, over HTTP."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.audit import decision_log
from app.audit.models import Event
from app.audit.operations import record
from app.audit.queries import revision
from app.authz import decision_point
from app.kernel import clock
from app.kernel.database import changing, database
from app.memberships.models import Grant, Membership
from app.memberships.operations import change_roles
from app.organisations.models import Organisation
from app.runtime import current
from app.services.models import Client, Role, Service
from app.vocabulary import EventName, ServiceState
from tests.api.conftest import KEY, Ask, Send, question
from tests.logged import logged
from tests.querying import counted_queries
from tests.running import change, forget_facts

pytestmark = pytest.mark.one_database

GOOD = json.dumps(question()).encode()
TEACHER = "submit-for-assessment:teacher"
OFFICER = "submit-for-assessment:exams-officer"
ASKER = "client:submit-for-assessment"
NORTHFIELD = {"organisation": "northfield"}
WESTBROOK = {"organisation": "westbrook"}


def told(answer: Any) -> tuple[bool, str]:
    """Return decision and reason code of an answer."""
    assert answer.status_code == 200, answer.text
    return answer.json["decision"], answer.json["context"]["reason"]["code"]


WHO_MAY_OPEN = [
    ("olivia-marsh", "allowed"),
    ("olivia.marsh@example.org", "allowed"),
    ("Olivia.Marsh@Example.org", "allowed"),
    ("helen-frost", "role_missing"),
    ("sam-porter", "role_missing"),
    ("ben-castle", "role_missing"),
    ("grace-holt", "person_not_active"),
    ("martin-shaw", "role_missing"),
    ("yusuf-demir", "membership_not_active"),
    ("leila-haddad", "organisation_not_active"),
    ("iris-bell", "role_ended"),
    ("owen-price", "role_missing"),
    ("nobody-at-all", "role_missing"),
    ("nobody@example.org", "role_missing"),
    ("Olivia Marsh", "role_missing"),
    ("OLIVIA-MARSH", "role_missing"),
]


def test_whether_somebody_may_open_the_service_and_why_not(ask: Ask, subtests: pytest.Subtests) -> None:
    for person, code in WHO_MAY_OPEN:
        with subtests.test(person):
            assert told(ask(person)) == (code == "allowed", code)


def test_a_role_that_starts_next_month_says_so(ask: Ask) -> None:
    Client.update(service=Service.get(slug="teaching-resources")).where(
        Client.public_id == "submit-for-assessment"
    ).execute()
    forget_facts()
    assert told(ask("owen-price", "launch", "service", "teaching-resources")) == (False, "role_not_started")


def test_a_service_that_is_not_live_says_so(ask: Ask) -> None:
    Service.update(state=ServiceState.HIDDEN).where(Service.slug == "submit-for-assessment").execute()
    forget_facts()
    assert told(ask()) == (False, "service_not_live")


WHO_MAY_ACT = [
    ("thomas-reed", TEACHER, {}, "allowed"),
    ("thomas-reed", TEACHER, NORTHFIELD, "allowed"),
    ("thomas-reed", TEACHER, {"organisation": "90101"}, "allowed"),
    ("thomas-reed", TEACHER, WESTBROOK, "role_missing"),
    ("thomas-reed", OFFICER, {}, "role_missing"),
    ("amara-lewis", TEACHER, NORTHFIELD, "allowed"),
    ("amara-lewis", TEACHER, WESTBROOK, "role_missing"),
    ("thomas-reed", TEACHER, {"organisation": "00000"}, "unknown_organisation"),
    ("thomas-reed", "submit-for-assessment:wizard", {}, "unknown_resource"),
]


def test_whether_somebody_may_act_in_a_role(ask: Ask, subtests: pytest.Subtests) -> None:
    for person, role, context, code in WHO_MAY_ACT:
        with subtests.test(f"{person} as {role}", **context):
            assert told(ask(person, "use", "role", role, context=context)) == (code == "allowed", code)


def test_the_organisation_may_also_stand_with_the_thing(ask: Ask) -> None:
    thing = {"type": "role", "id": TEACHER, "properties": WESTBROOK}
    assert told(ask("amara-lewis", "use", resource=thing)) == (False, "role_missing")
    assert told(ask("amara-lewis", "use", resource=thing | {"properties": NORTHFIELD})) == (True, "allowed")


def test_an_exams_officer_may_give_a_role_at_their_own_organisation_only(ask: Ask) -> None:
    assert told(ask("olivia-marsh", "give", "role", TEACHER, context=NORTHFIELD)) == (True, "allowed")
    assert told(ask("olivia-marsh", "give", "role", TEACHER, context=WESTBROOK))[0] is False
    assert told(ask("olivia-marsh", "give", "role", TEACHER))[0] is False
    assert told(ask("thomas-reed", "give", "role", TEACHER, context=NORTHFIELD))[0] is False


def test_an_action_that_a_service_does_not_know_is_a_no(ask: Ask, subtests: pytest.Subtests) -> None:
    for action in ("fly", "use", "LAUNCH", "list_people", "launch "):
        with subtests.test(action):
            assert told(ask("olivia-marsh", action)) == (False, "unknown_action")


def test_a_subject_is_a_person_and_authzen_says_user(ask: Ask) -> None:
    assert told(ask(subject={"type": "user", "id": "olivia-marsh"})) == (True, "allowed")
    assert told(ask(subject={"type": "robot", "id": "olivia-marsh"})) == (False, "unknown_subject")


def test_an_answer_says_which_rules_and_which_change_it_rests_on(ask: Ask) -> None:
    answer = ask("iris-bell").json
    assert list(answer) == ["decision", "context"]
    assert answer["context"] == {
        "id": answer["context"]["id"],
        "policy": decision_point.policy().digest,
        "revision": revision(),
        "reason": {"code": "role_ended", "sentence": "The last day of the person's role is over."},
    }


def test_a_change_is_in_the_revision_of_the_next_answer(ask: Ask) -> None:
    membership = Membership.get(public_id="thomas-reed@northfield")
    number = change_roles(membership, give=[], take=[Role.get(slug=TEACHER)], by=None)
    answer = ask("thomas-reed")
    assert told(answer) == (False, "role_missing")
    assert answer.json["context"]["revision"] == number


def test_every_answer_is_recorded_before_it_is_given(ask: Ask) -> None:
    answer = ask("iris-bell")
    [kept] = logged()
    assert kept.id == answer.json["context"]["id"]
    assert (kept.client, kept.subject) == ("client:submit-for-assessment", "person:iris-bell")
    assert (kept.action, kept.resource) == ("launch", "service:submit-for-assessment")
    assert kept.organisation == ""
    assert (kept.allowed, kept.reason) == (False, "role_ended")
    assert (kept.policy, kept.revision) == (decision_point.policy().digest, revision())
    assert kept.milliseconds > 0


def test_a_record_says_which_organisation_was_asked_about(ask: Ask) -> None:
    ask("thomas-reed", context={"organisation": "90101"})
    assert logged()[0].organisation == "northfield"


@pytest.mark.parametrize(
    ("person", "kept"),
    [
        ("olivia-marsh", "person:olivia-marsh"),
        ("olivia.marsh@example.org", "person:olivia-marsh"),
        ("stranger@example.org", "unknown"),
        ("Olivia Marsh", "unknown"),
    ],
)
def test_a_record_never_holds_an_address_or_a_name(ask: Ask, person: str, kept: str) -> None:
    ask(person)
    assert logged()[0].subject == kept


def test_what_cannot_be_recorded_is_not_answered(app: Flask, send: Send, ask: Ask) -> None:
    decision_log.current().close()
    answer = ask()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert list(answer.json) == ["message"]
    assert "Take it as a no" in answer.json["message"]


def test_without_a_policy_nobody_is_answered(ask: Ask) -> None:
    change(engine=None)
    answer = ask()
    assert answer.status_code == 500
    assert list(answer.json) == ["message"]
    [refused] = logged()
    assert (refused.subject, refused.action, refused.reason) == (ASKER, "ask", "policy_error")


MALFORMED_CREDENTIALS = [
    "",
    "Bearer",
    "Bearer ",
    KEY,
    f"Basic {KEY}",
    f"Bearer {KEY}x",
    f"Bearer {KEY} {KEY}",
    "Bearer \u00e9\u00e9",
    "Bearer " + "k" * 5000,
    "Bearer demo-key-old-uploader",
]


NO_KEY = "Send the key of your service as Authorization: Bearer <key>. There was none, or it does not work."


def test_whoever_has_no_key_in_force_is_told_the_same(send: Send, subtests: pytest.Subtests) -> None:
    for authorization in MALFORMED_CREDENTIALS:
        with subtests.test(authorization[:40]):
            answer = send(b"not even JSON", headers={"Authorization": authorization})
            assert (answer.status_code, answer.json) == (401, {"message": NO_KEY})
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_that_has_ended_takes_the_same_way_as_one_that_never_was(send: Send) -> None:
    def queries(key: str) -> list[str]:
        with counted_queries() as run:
            assert send(b"{}", headers={"Authorization": f"Bearer {key}"}).status_code == 401
        return [query.sql for query in run if "key_hash" in query.sql]

    for _ in range(2):
        ended, unknown = queries("demo-key-old-uploader"), queries("demo-key-nobody")
        assert ended == unknown
        assert len(ended) == 1


def test_a_key_that_ends_opens_nothing_from_then_on(ask: Ask) -> None:
    assert ask().status_code == 200
    with changing():
        Client.update(ended_at=clock.now()).where(Client.public_id == "submit-for-assessment").execute()
        number = record(EventName.CLIENT_ADDED, by="operator", subject="client:submit-for-assessment")
    current().view.fresh(number)
    assert ask().status_code == 401


def test_the_word_bearer_may_be_written_in_any_case(send: Send) -> None:
    assert send(b"{}", headers={"Authorization": f"bEARER {KEY}"}).status_code == 400


def test_what_is_another_services_is_not_to_be_asked_about(ask: Ask) -> None:
    existing = ask("olivia-marsh", "launch", "service", "training")
    role = ask("olivia-marsh", "use", "role", "training:user")
    no_role = ask("olivia-marsh", "use", "role", "training:wizard")
    for answer in (existing, role, no_role):
        assert answer.status_code == 403
        assert answer.json == existing.json
    assert "submit-for-assessment" in existing.json["message"]
    assert [(one.subject, one.action, one.resource, one.allowed, one.reason) for one in logged()] == [
        (ASKER, "ask", resource, False, "not_allowed")
        for resource in ("service:training", "role:training:user", "role:training:wizard")
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("service", name) for name in ("no-such-service", "Training", "training ", "training:user", "training:")),
        *(("role", name) for name in ("nope:teacher", "teacher", "portal:user-management", "training")),
        *(("role", name) for name in ("submit-for-assessment", "submit-for-assessmentx:teacher", ":teacher")),
        *(("role", name) for name in (" submit-for-assessment:teacher", "submit-for-assessment:wizard")),
        *((kind, "submit-for-assessment") for kind in ("script", "Service", "person", "organisation")),
    ],
)
def test_what_there_is_not_is_a_no_with_its_reason(ask: Ask, kind: str, name: str) -> None:
    assert told(ask("olivia-marsh", "launch", kind, name)) == (False, "unknown_resource")


@pytest.mark.parametrize("state", [ServiceState.HIDDEN, ServiceState.RETIRED])
def test_a_service_that_nobody_may_know_is_one_that_there_is_not(ask: Ask, state: ServiceState) -> None:
    Service.update(state=state).where(Service.slug == "training").execute()
    forget_facts()
    for kind, name in (("service", "training"), ("role", "training:user")):
        there = ask("thomas-reed", "launch", kind, name).json
        nowhere = ask("thomas-reed", "launch", kind, name.replace("training", "nowhere")).json
        assert (there["decision"], there["context"]["reason"]) == (False, nowhere["context"]["reason"])


def test_a_refusal_that_cannot_be_recorded_is_not_told(ask: Ask) -> None:
    decision_log.current().close()
    assert ask("olivia-marsh", "launch", "service", "training").status_code == 503


def test_a_client_asks_only_about_kinds_that_it_has_declared(ask: Ask) -> None:
    Client.update(kinds=["role"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    assert ask().status_code == 403
    assert ask("thomas-reed", "use", "role", TEACHER).status_code == 200


def test_a_declared_kind_that_nobody_knows_yet_is_a_no(ask: Ask) -> None:
    Client.update(kinds=["script"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
    assert told(ask("olivia-marsh", "read", "script", "7")) == (False, "unknown_resource")


def test_a_client_of_no_service_asks_nothing(ask: Ask) -> None:
    answer = ask(key="demo-key-unassigned")
    assert answer.status_code == 403
    assert "it has no service" in answer.text


def test_only_post_is_answered(client: FlaskClient, subtests: pytest.Subtests) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW"):
        with subtests.test(method):
            refuses(client, method)


def refuses(client: FlaskClient, method: str) -> None:
    """Check what another method is told."""
    answer = client.open("/authorize", method=method, headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.headers["X-Request-ID"] == "r-1"
    assert method == "HEAD" or answer.json == {"message": "Use POST here."}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Authorization": ""}, 401), ({"Content-Type": "text/plain"}, 400)],
)
def test_the_request_id_comes_back_on_every_answer(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    answer = client.post(
        "/authorize",
        data=json.dumps(question()),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "X-Request-ID": "r-1",
            **headers,
        },
    )
    assert answer.status_code == status
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"


def test_the_request_id_comes_back_when_something_breaks(send: Send) -> None:
    database.execute_sql("drop table email_address")
    answer = send(json.dumps(question("olivia.marsh@example.org")).encode(), headers={"X-Request-ID": "r-2"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "r-2")


def test_a_request_id_comes_back_whatever_it_holds(send: Send, subtests: pytest.Subtests) -> None:
    for path, method in (("/authorize", "POST"), ("/authorize", "GET"), ("/health", "GET"), ("/records/x/y", "PUT")):
        for any_id in ("", "c" * 201, "c" * 5_000, "a\tb", 'a "b";\\ <~>', "\xe9", "\xa0", "0"):
            with subtests.test(path=path, method=method, any_id=any_id):
                answer = send(GOOD, path=path, method=method, headers={"X-Request-ID": any_id})
                assert answer.headers["X-Request-ID"] == any_id
                assert "X-Request-ID" not in answer.json.get("message", "")


NOWHERE = [
    "/access/v1/nothing",
    "/access/v1/evaluation/",
    "/access/",
    "/access/v1//evaluation",
    "/access/v1/search",
    "/authorize/",
    "/authorize/a\nb",
    "/records/x",
    "/records/",
]


def test_an_address_for_programs_that_leads_nowhere_says_so_as_json(send: Send, subtests: pytest.Subtests) -> None:
    for path in NOWHERE:
        for method in ("GET", "POST", "PROPFIND"):
            with subtests.test(path=path, method=method):
                answer = send(GOOD, path=quote(path), method=method, headers={"X-Request-ID": "r-1"})
                assert (answer.status_code, answer.headers["X-Request-ID"]) == (404, "r-1")
                assert answer.json == {"message": "There is nothing at this address; /docs says what is where."}


def test_no_request_id_is_made_up(ask: Ask) -> None:
    assert "X-Request-ID" not in ask().headers


def add_membership_with_every_role(person: str, centre_number: str) -> None:
    """Give a person of Northfield a place, with all there is, at one more organisation, which is suspended."""
    first = Membership.get(public_id=f"{person}@northfield")
    organisation = Organisation.create(
        public_id=centre_number,
        centre_number=centre_number,
        name="Another school",
        created_at=first.created_at,
        state="suspended",
    )
    membership = Membership.create(
        public_id=centre_number, person=first.person, organisation=organisation, created_at=first.created_at
    )
    for role in Role.select():
        Grant.create(membership=membership, role=role, created_at=first.created_at)


def test_the_number_of_queries_does_not_grow_with_rows(ask: Ask) -> None:
    def queries(person: str) -> tuple[int, ...]:
        """Return how many read rows while nothing is known, and how many afterwards."""
        forget_facts()
        with counted_queries() as cold:
            ask(person)
        with counted_queries() as warm:
            ask(person)
        # To look for changes is another matter; on PostgreSQL that is a query until somebody listens for them.
        return tuple(sum(" FROM " in query.sql for query in run) for run in (cold, warm))

    few_allowed, few_denied = queries("thomas-reed"), queries("iris-bell")
    with changing():
        for person, first_digit in (("thomas-reed", "7"), ("iris-bell", "8")):
            for number in range(10):
                add_membership_with_every_role(person, f"{first_digit}{number:04}")
        for number in range(10):
            service = Service.get(slug="submit-for-assessment")
            Role.create(slug=f"submit-for-assessment:role-{number}", service=service, name="Role", sentence="Does.")
    assert queries("thomas-reed") == few_allowed
    assert queries("iris-bell") == few_denied
    assert few_allowed == few_denied == (5, 0)


def test_deciding_writes_no_event(ask: Ask) -> None:
    before = Event.select().count()
    ask()
    assert Event.select().count() == before
