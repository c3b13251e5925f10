"""Who may do this, to what, and what: the single check, asked for each candidate, page by page."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.accounts.models import EmailAddress, Person
from app.api.decisions import search
from app.api.wire.schemas.search import DEFAULT_LIMIT, LARGEST_LIMIT
from app.audit.queries import revision
from app.authz import decision_point, facts
from app.authz.decision_point import Decision
from app.authz.information import people
from app.kernel import clock
from app.kernel.database import changing
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.records.operations import put_record
from app.services.models import Client, Role, Service
from app.vocabulary import MembershipState, Reason
from tests.api.conftest import Ask, Send, Tell
from tests.logged import logged
from tests.querying import counted_queries
from tests.running import forget_facts

SUBJECT = {"type": "person", "id": "thomas-reed"}
LAUNCH = {"name": "launch"}
SERVICE = {"type": "service", "id": "submit-for-assessment"}
TEACHER = {"type": "role", "id": "submit-for-assessment:teacher"}
BODIES: dict[str, dict[str, Any]] = {
    "subject": {"subject": {"type": "person"}, "action": LAUNCH, "resource": SERVICE},
    "resource": {"subject": SUBJECT, "action": {"name": "use"}, "resource": {"type": "role"}},
    "action": {"subject": SUBJECT, "resource": SERVICE},
}
every_search = pytest.mark.parametrize("sought", BODIES)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine does not cut pages short."""
    monkeypatch.setattr(search, "BUDGET_SECONDS", 600)


@pytest.fixture
def find(tell: Tell) -> Any:
    """Search, with the usual body in which `more` takes the place of its own."""

    def find(sought: str, /, headers: dict[str, str] | None = None, **more: Any) -> Any:
        return tell(BODIES[sought] | more, path=f"/access/v1/search/{sought}", headers=headers)

    return find


def names(answer: Any) -> list[str]:
    """Return the names of what was found."""
    assert answer.status_code == 200, answer.text
    return [one.get("id") or one["name"] for one in answer.json["results"]]


def test_everybody_who_may_is_found_and_nobody_else(find: Any, ask: Ask) -> None:
    found = names(find("subject"))
    people = sorted(person.public_id for person in Person.select())
    assert found == [person for person in people if ask(person).json["decision"]]
    assert "olivia-marsh" in found
    assert "iris-bell" not in found


def test_the_roles_of_the_own_service_that_somebody_may_use_are_found(find: Any) -> None:
    assert find("resource").json["results"] == [TEACHER]
    westbrook = {"type": "role", "properties": {"organisation": "westbrook"}}
    assert names(find("resource", resource=westbrook)) == []
    assert names(find("resource", context={"organisation": "90101"})) == [TEACHER["id"]]
    assert names(find("resource", subject={"type": "user", "id": "olivia.marsh@example.org"})) == [
        "submit-for-assessment:exams-officer"
    ]


def test_roles_are_found_in_the_order_of_their_names_page_by_page(find: Any) -> None:
    Role.update(position=9).where(Role.slug == "submit-for-assessment:exams-officer").execute()
    forget_facts()
    at_northfield = {"type": "role", "properties": {"organisation": "northfield"}}
    give: dict[str, Any] = {
        "subject": {"type": "person", "id": "olivia-marsh"},
        "action": {"name": "give"},
        "resource": at_northfield,
    }
    whole = names(find("resource", **give))
    assert whole == ["submit-for-assessment:exams-officer", "submit-for-assessment:teacher"]
    first = find("resource", page={"limit": 1}, **give)
    rest = find("resource", page={"token": first.json["page"]["next_token"]}, **give)
    assert names(first) + names(rest) == whole
    assert rest.json["page"] == {"next_token": "", "count": 1}


def test_nobody_is_looked_at_for_an_action_that_nobody_knows(find: Any) -> None:
    find("subject")
    with counted_queries() as run:
        assert names(find("subject", action={"name": "fly"})) == []
    assert not [query.sql for query in run if '"person"' in query.sql]


def test_no_service_but_the_own_one_is_found(find: Any) -> None:
    assert find("resource", action=LAUNCH, resource={"type": "service"}).json["results"] == [SERVICE]
    assert names(find("resource", action=LAUNCH, resource={"type": "service"}, subject={**SUBJECT, "id": "x"})) == []


def test_what_somebody_may_do_is_found(find: Any) -> None:
    assert find("action").json["results"] == [{"name": "launch"}]
    assert names(find("action", subject={**SUBJECT, "id": "iris-bell"})) == []
    assert names(find("action", resource=TEACHER)) == ["use"]


@every_search
def test_a_search_says_where_its_results_come_from_and_is_recorded_once(find: Any, sought: str) -> None:
    answer = find(sought)
    assert list(answer.json) == ["page", "context", "results"]
    [kept] = logged()
    assert answer.json["context"] == {"id": kept.id, "policy": decision_point.policy().digest, "revision": revision()}
    assert (kept.client, kept.allowed) == ("client:submit-for-assessment", True)
    assert kept.resource == ("role:*" if sought == "resource" else "service:submit-for-assessment")


def test_a_record_of_a_search_says_about_whom_and_never_by_address(find: Any) -> None:
    olivia, nobody = ({"type": "user", "id": f"{name}@example.org"} for name in ("olivia.marsh", "no.body"))
    for sought, subject in (
        ("resource", olivia),
        ("action", olivia),
        ("action", nobody),
        ("subject", {"type": "user"}),
    ):
        find(sought, subject=subject)
    subjects = [one.subject for one in logged()]
    assert subjects == ["person:olivia-marsh", "person:olivia-marsh", "unknown", "person:*"]


@every_search
def test_a_record_of_a_search_says_at_which_organisation(find: Any, sought: str) -> None:
    for name in ("90101", "nowhere"):
        find(sought, context={"organisation": name})
    find(sought)
    assert [one.organisation for one in logged()] == ["northfield", "", ""]


@every_search
def test_the_id_of_what_is_looked_for_is_not_looked_at(find: Any, sought: str) -> None:
    if sought == "action":
        answer = find(sought, action={"name": 7})
    else:
        answer = find(sought, **{sought: BODIES[sought][sought] | {"id": 7}})
    assert names(answer) == names(find(sought))


@every_search
def test_the_whole_is_on_one_page_if_there_is_room(find: Any, sought: str) -> None:
    for page in (None, {}, {"limit": 100}, {"properties": {"a": 1}}, {"limit": len(names(find(sought)))}):
        answer = find(sought, page=page)
        assert answer.json["page"] == {"next_token": "", "count": len(names(answer))}


@every_search
@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("repeated", [True, False], ids=["limit repeated", "token alone"])
def test_page_after_page_gives_the_whole(find: Any, sought: str, limit: int, repeated: bool) -> None:
    whole, found, page = names(find(sought)), [], {"limit": limit}
    while True:
        answer = find(sought, page=page)
        assert len(names(answer)) == min(limit, len(whole) - len(found))
        found += names(answer)
        token = answer.json["page"]["next_token"]
        if not token:
            break
        page = {"token": token} | ({"limit": limit} if repeated else {})
    assert found == whole


def test_a_page_without_results_goes_on_from_where_it_began(find: Any) -> None:
    answer = find("subject", page={"limit": 0})
    assert (names(answer), answer.json["page"]["count"]) == ([], 0)
    assert names(find("subject", page={"token": answer.json["page"]["next_token"]})) == names(find("subject"))


@pytest.mark.parametrize(
    ("sought", "more"),
    [
        ("subject", {"action": {"name": "read"}}),
        ("subject", {"resource": TEACHER}),
        ("subject", {"subject": {"type": "user"}}),
        ("subject", {"context": {"organisation": "northfield"}}),
        ("resource", {}),
    ],
)
def test_a_token_is_good_for_the_same_search_alone(find: Any, sought: str, more: dict[str, Any]) -> None:
    token = find("subject", page={"limit": 1}).json["page"]["next_token"]
    answer = find(sought, page={"token": token}, **more)
    assert answer.status_code == 400
    assert answer.json["message"].startswith("page.token belongs to another search")


def test_a_token_is_good_for_the_same_client_alone(find: Any) -> None:
    token = find("subject", page={"limit": 1}).json["page"]["next_token"]
    Client.update(service=Client.get(public_id="submit-for-assessment").service).where(
        Client.public_id == "access-to-scripts"
    ).execute()
    forget_facts()
    answer = find("subject", page={"token": token}, headers={"Authorization": "Bearer demo-key-access-to-scripts"})
    assert answer.status_code == 400


def test_a_token_cannot_be_made_up(find: Any) -> None:
    token = find("subject", page={"limit": 1}).json["page"]["next_token"]
    for wrong in (token[:-1], token[1:], f"{token}x", "nonsense", "WyIiLCIiLDEwXQ.xxxx"):
        answer = find("subject", page={"token": wrong})
        assert (answer.status_code, answer.json) == (
            400,
            {"message": "page.token is invalid or was not issued by this server."},
        )


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (7, "page must be an object."),
        ({"limit": -1}, "page.limit must be from 0 to 9007199254740991."),
        ({"limit": "7"}, "page.limit must be a whole number."),
        ({"limit": True}, "page.limit must be a whole number."),
        ({"token": 7}, "page.token must be a string."),
        ({"limit": 1.5}, "page.limit must be a whole number."),
        ({"token": "x" * 3000}, "page.token must have 0 to 2000 characters."),
    ],
)
@every_search
def test_a_page_that_is_none_is_refused(find: Any, sought: str, page: Any, message: str) -> None:
    answer = find(sought, page=page)
    assert (answer.status_code, answer.json) == (400, {"message": message})


@pytest.mark.parametrize(
    ("sought", "missing"),
    [
        ("subject", ("subject", "action", "resource")),
        ("resource", ("subject", "action", "resource")),
        ("action", ("subject", "resource")),
    ],
)
def test_what_is_missing_is_named(find: Any, sought: str, missing: tuple[str, ...]) -> None:
    for name in missing:
        answer = find(sought, **{name: None})
        assert (answer.status_code, answer.json) == (400, {"message": f"{name} is missing."})
    for name in {"subject", "resource"} - {sought}:
        assert find(sought, **{name: {"type": "person"}}).json == {"message": f"{name}.id is missing."}


@pytest.mark.parametrize(
    ("sought", "more"),
    [
        ("subject", {"subject": {"type": "robot"}}),
        ("subject", {"action": {"name": "fly"}}),
        ("subject", {"resource": {"type": "dragon", "id": "7"}}),
        ("subject", {"resource": {"type": "role", "id": "submit-for-assessment:wizard"}}),
        ("subject", {"context": {"organisation": "nowhere"}}),
        ("resource", {"subject": {"type": "person", "id": "nobody"}}),
        ("resource", {"subject": {"type": "robot", "id": "thomas-reed"}}),
        ("resource", {"resource": {"type": "dragon"}}),
        ("resource", {"action": {"name": "fly"}}),
        ("action", {"subject": {"type": "person", "id": "nobody"}}),
        ("action", {"resource": {"type": "dragon", "id": "7"}}),
        ("action", {"resource": {"type": "role", "id": "submit-for-assessment:wizard"}}),
    ],
)
def test_of_what_is_not_known_nothing_is_found(find: Any, sought: str, more: dict[str, Any]) -> None:
    answer = find(sought, **more)
    assert names(answer) == []
    assert answer.json["page"] == {"next_token": "", "count": 0}


@pytest.mark.parametrize(
    ("sought", "more"),
    [
        ("subject", {"resource": {"type": "service", "id": "training"}}),
        ("action", {"resource": {"type": "service", "id": "training"}}),
        ("subject", {"resource": {"type": "role", "id": "training:user"}}),
    ],
)
def test_a_client_finds_nothing_about_other_services(find: Any, sought: str, more: dict[str, Any]) -> None:
    assert find(sought, **more).status_code == 403
    [refused] = logged()
    resource = "{type}:{id}".format(**more["resource"])
    assert (refused.subject, refused.action, refused.resource) == ("client:submit-for-assessment", "ask", resource)


@every_search
@pytest.mark.usefixtures("mark_schemes")
def test_of_a_kind_that_it_has_not_declared_a_client_finds_what_it_finds_of_none(find: Any, sought: str) -> None:
    with changing():
        put_record("mark_scheme", "ms-1", {"open": True}, by="operator")
    mark_scheme, dragon = ({"type": kind, "id": "ms-1"} for kind in ("mark_scheme", "dragon"))
    asked = {} if sought == "action" else {"action": {"name": "read"}}
    assert names(find(sought, resource=mark_scheme, **asked)) != []
    Client.update(kinds=["service"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()

    def told(kind: dict[str, str]) -> dict[str, Any]:
        answer = find(sought, resource=kind, **asked)
        assert answer.status_code == 200
        return {name: answer.json[name] for name in ("page", "results")}

    assert told(mark_scheme) == told(dragon)
    assert told(dragon)["results"] == []
    assert [one.allowed for one in logged()[-3:]] == [False] * 3


def test_a_client_of_no_service_finds_nothing(find: Any) -> None:
    for kind in ("service", "dragon"):
        answer = find("resource", resource={"type": kind}, headers={"Authorization": "Bearer demo-key-unassigned"})
        assert names(answer) == []


@every_search
def test_a_page_may_be_asked_for_in_other_words(find: Any, sought: str) -> None:
    whole = find(sought).json["results"]
    for page in ({"token": ""}, {"token": None, "limit": None}, {}, None):
        assert find(sought, page=page).json["results"] == whole
    assert find(sought, page={"limit": 1.0}).json["results"] == whole[:1]


@every_search
def test_a_search_ignores_options_that_are_not_ours(find: Any, sought: str) -> None:
    for options in (7, "fast", []):
        assert names(find(sought, options=options)) == names(find(sought))
    assert find(sought, options={"at_least_revision": -1}).status_code == 400


@every_search
def test_a_search_is_the_same_each_time(find: Any, sought: str) -> None:
    assert len({str(find(sought).json["results"]) for _ in range(3)}) == 1


@every_search
def test_a_search_is_at_least_as_fresh_as_the_caller_wants_it(find: Any, sought: str) -> None:
    later = revision() + 1_000
    assert find(sought, headers={"Tessera-At-Least": str(later)}).status_code == 503
    assert find(sought, options={"at_least_revision": later}).status_code == 503
    assert find(sought, options={"at_least_revision": revision()}).status_code == 200


def test_a_page_has_no_more_than_it_may(find: Any) -> None:
    add_people(LARGEST_LIMIT + 10)
    assert len(names(find("subject"))) == DEFAULT_LIMIT
    most = find("subject", page={"limit": 100_000})
    assert len(names(most)) == LARGEST_LIMIT
    assert most.json["page"]["next_token"]


def test_a_search_that_takes_long_says_that_there_is_more(find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, found, token, pages = names(find("subject")), [], None, 0
    monkeypatch.setattr(search, "BUDGET_SECONDS", 0)
    while token != "":
        answer = find("subject", page=token and {"token": token})
        assert len(names(answer)) <= 1
        found += names(answer)
        token, pages = answer.json["page"]["next_token"], pages + 1
    assert found == whole
    assert pages == len(holders())


def test_a_search_looks_at_more_people_than_it_reads_at_once(find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = names(find("subject"))
    for at_a_time in (1, 3):
        monkeypatch.setattr(search, "CANDIDATES_LIMIT", at_a_time)
        answer = find("subject")
        assert (names(answer), answer.json["page"]["next_token"]) == (whole, "")


@pytest.mark.usefixtures("mark_schemes")
class TestOfKindsThatThePolicyDeclares:
    @pytest.fixture(autouse=True)
    def registered(self, mark_schemes: None) -> None:
        with changing():
            for name, status in (("ms-3", "published"), ("ms-1", "draft"), ("ms-2", "published"), ("ms-4", "draft")):
                put_record("mark_scheme", name, {"status": status}, by="operator")
            put_record("script", "ms-0", {"status": "published"}, by="operator")

    def test_registered_things_are_found_in_the_order_of_their_ids(self, find: Any) -> None:
        answer = find("resource", action={"name": "read"}, resource={"type": "mark_scheme"})
        assert answer.json["results"] == [{"type": "mark_scheme", "id": "ms-2"}, {"type": "mark_scheme", "id": "ms-3"}]

    def test_a_thing_of_another_kind_is_another_thing(self, ask: Ask) -> None:
        assert ask("thomas-reed", "read", "mark_scheme", "ms-0").json["context"]["reason"]["code"] == "unknown_resource"

    def test_a_search_in_which_the_policy_cannot_say_is_no_mere_no(self, find: Any) -> None:
        weigh = {"action": {"name": "weigh"}, "resource": {"type": "mark_scheme"}}
        assert names(find("resource", **weigh)) == []
        [kept] = logged()
        assert (kept.allowed, kept.reason) == (False, Reason.POLICY_ERROR)

    def test_an_action_that_the_kind_does_not_declare_finds_nothing(self, find: Any) -> None:
        opened = {"type": "mark_scheme", "properties": {"open": True}}
        assert len(names(find("resource", action={"name": "read"}, resource=opened))) == 4
        assert names(find("resource", action={"name": "fly"}, resource=opened)) == []

    def test_what_a_search_tells_of_things_is_taken_of_each(self, find: Any) -> None:
        published = {"type": "mark_scheme", "properties": {"status": "published"}}
        answer = find("resource", action={"name": "read"}, resource=published, page={"limit": 3})
        assert names(answer) == ["ms-1", "ms-2", "ms-3"]
        rest = find(
            "resource",
            action={"name": "read"},
            resource=published,
            page={"token": answer.json["page"]["next_token"]},
        )
        assert (names(rest), rest.json["page"]["next_token"]) == (["ms-4"], "")

    def test_what_is_known_and_told_of_people_is_taken_of_each(self, find: Any) -> None:
        Person.update(properties={"grade": "senior"}).where(Person.public_id == "iris-bell").execute()
        forget_facts()
        draft = {"type": "mark_scheme", "id": "ms-1"}
        assert names(find("subject", action={"name": "approve"}, resource=draft)) == ["iris-bell"]
        seniors = {"type": "person", "properties": {"grade": "senior"}}
        assert "thomas-reed" in names(find("subject", action={"name": "approve"}, resource=draft, subject=seniors))

    def test_actions_on_a_registered_thing_are_found(self, find: Any) -> None:
        senior = SUBJECT | {"properties": {"grade": "senior"}}
        assert names(find("action", subject=senior, resource={"type": "mark_scheme", "id": "ms-1"})) == ["approve"]
        assert names(find("action", subject=senior, resource={"type": "mark_scheme", "id": "ms-9"})) == []

    def test_what_is_found_is_allowed_when_it_is_asked_about(self, find: Any, ask: Ask) -> None:
        for name in names(find("resource", action={"name": "read"}, resource={"type": "mark_scheme"})):
            assert ask("thomas-reed", "read", "mark_scheme", name).json["decision"] is True


@every_search
def test_every_search_keeps_the_manners(app: Flask, send: Send, sought: str) -> None:
    path, request_id = f"/access/v1/search/{sought}", {"X-Request-ID": "r-9"}
    for method in ("GET", "PUT", "OPTIONS", "PROPFIND"):
        answer = send(b"", path=path, method=method, headers=request_id)
        assert (answer.status_code, answer.headers["Allow"], answer.headers["X-Request-ID"]) == (405, "POST", "r-9")
    assert app.test_client().post(path).status_code == 401
    for body, content_type in ((b"{}", "text/plain"), (b"", "application/json"), (b"[]", "application/json")):
        refused = send(body, path=path, content_type=content_type, headers=request_id)
        assert (refused.status_code, refused.headers["X-Request-ID"]) == (400, "r-9")


def holders() -> set[str]:
    """Return the ids of those who hold or held a role of the service."""
    rows = Grant.select(Grant, Membership, Person).join(Membership).join(Person).switch(Grant).join(Role).join(Service)
    return {row.membership.person.public_id for row in rows.where(Service.slug == SERVICE["id"])}


class TestWhomAServiceLearnsAbout:
    def test_only_those_who_hold_or_held_a_role_of_it(self, find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        # Everybody may do everything: what is found is what may be learned.
        monkeypatch.setattr(search, "decide", everybody_may(search.decide))
        found = names(find("subject"))
        assert set(found) == holders()
        assert found == sorted(found)

    def test_and_at_the_organisation_that_is_asked_about(self, find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "decide", everybody_may(search.decide))
        assert names(find("subject", context={"organisation": "westbrook"})) == ["priya-nair"]

    @pytest.mark.parametrize("many", [1, 10_000])
    def test_whether_they_are_many_or_few(self, find: Any, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
        monkeypatch.setattr(people, "_MANY", many)
        monkeypatch.setattr(search, "decide", everybody_may(search.decide))
        first = find("subject", page={"limit": 3})
        rest, found = first, names(first)
        while token := rest.json["page"]["next_token"]:
            rest = find("subject", page={"token": token, "limit": 3})
            found += names(rest)
        assert found == sorted(holders())

    def test_nobody_who_left(self, find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "decide", everybody_may(search.decide))
        with changing():
            Membership.update(state=MembershipState.ENDED).where(
                Membership.public_id == "thomas-reed@northfield"
            ).execute()
        forget_facts()
        assert "thomas-reed" not in names(find("subject"))

    def test_under_the_name_that_the_client_uses(self, find: Any) -> None:
        ids = names(find("subject"))
        Client.update(by_address=True).where(Client.public_id == "submit-for-assessment").execute()
        forget_facts()
        addresses = names(find("subject"))
        assert all("@" in address for address in addresses)
        assert [EmailAddress.get(EmailAddress.address == one).person.public_id for one in addresses] == ids
        pages = [find("subject", page={"limit": 1})]
        while pages[-1].json["page"]["next_token"]:
            pages.append(find("subject", page={"token": pages[-1].json["page"]["next_token"], "limit": 1}))
        assert [name for page in pages for name in names(page)] == addresses


def everybody_may(decide: Callable[..., Decision]) -> Callable[..., Decision]:
    """Return `decide` as it would be under a policy that lets people do everything."""

    def decide_all(actor: facts.Fact, *more: Any) -> Decision:
        decision = decide(actor, *more)
        return replace(decision, allowed=True) if isinstance(actor, facts.Person) else decision

    return decide_all


def add_people(number: int) -> None:
    """Add people who hold a role of the service."""
    rows = [
        {"public_id": f"extra-{index:04}", "name": "Extra", "state": "active", "created_at": clock.now()}
        for index in range(number)
    ]
    with changing():
        Person.insert_many(rows).execute()
        extra = Person.select().where(Person.public_id.startswith("extra-"))
        common = {"created_at": clock.now()}
        northfield = Organisation.get(Organisation.public_id == "northfield")
        Membership.insert_many(
            [{"public_id": one.public_id, "person": one, "organisation": northfield, **common} for one in extra]
        ).execute()
        role = Role.get(Role.slug == TEACHER["id"])
        joined = Membership.select().where(Membership.public_id.startswith("extra-"))
        Grant.insert_many([{"membership": one, "role": role, **common} for one in joined]).execute()
    forget_facts()


@pytest.mark.parametrize(("first", "later", "status"), [(3, 3, 200), (3, None, 200), (3, 4, 400), (None, 3, 400)])
def test_a_limit_is_what_it_was_for_the_first_page(
    find: Any, first: int | None, later: int | None, status: int
) -> None:
    add_people(60)
    page = {} if first is None else {"limit": first}
    token = find("subject", page=page).json["page"]["next_token"]
    more = {"token": token} if later is None else {"token": token, "limit": later}
    assert find("subject", page=more).status_code == status
