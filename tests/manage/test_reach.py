"""How far an exams officer reaches: the people of their own organisation, and never themselves."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.accounts.models import Invitation, Person
from app.audit.models import Event
from app.mail.models import Mail
from app.memberships import operations
from app.memberships.models import Grant, Membership
from app.memberships.operations import remove_person
from app.vocabulary import EventName, MembershipState
from tests.browsing import Browser
from tests.manage.northfield import (
    DANIEL,
    LATE,
    OFFICER,
    OLIVIA,
    THOMAS,
    USERS,
    NewBrowser,
    held,
    membership,
    roles_of,
    shown,
    ticked_roles,
    ticks,
)

HAVE_LEFT = ("martin-shaw@northfield", "priya-nair@northfield")
"""The second of them is known elsewhere."""


def manage_rules(app: Flask) -> list[Rule]:
    """Return every address of this surface."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("manage.")]


def requests(app: Flask, organisation: str, member: str) -> Iterator[tuple[str, str]]:
    """Return every address and method of this surface, about `member` of `organisation`."""
    for rule in manage_rules(app):
        path = rule.rule.replace("<string:organisation_id>", organisation).replace("<string:membership_id>", member)
        path = path.replace("<string:service_slug>", "training")
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield path, method


def stored() -> list[object]:
    """Return what this surface could change."""
    return [sorted(model.select().tuples(), key=str) for model in (Membership, Grant, Invitation, Person, Mail)]


def send(browser: Browser, path: str, method: str, token: str) -> int:
    """Send one request with everything in its form that could do something, and return the status."""
    form = {
        "csrf_token": token,
        **held(OFFICER, LATE),
        **shown("teaching-resources:teacher"),
        "step": "save",
        "people-0-name": "Nora Field",
        "people-0-address": "nora.field@example.org",
        "people-0-roles": [OFFICER],
    }
    return browser.client.open(path, method=method, data=form if method == "POST" else None).status_code


@pytest.mark.parametrize(
    ("organisation", "member"),
    [
        ("westbrook", "priya-nair@westbrook"),
        ("westbrook", "amara-lewis@westbrook"),
        ("northfield", "priya-nair@westbrook"),
        ("westbrook", "thomas-reed@northfield"),
        ("westbrook", "olivia-marsh@northfield"),
        ("eastgate", "leila-haddad@eastgate"),
        ("southmere", "frank-doyle@southmere"),
        ("nowhere", "thomas-reed@northfield"),
        *(("northfield", member) for member in HAVE_LEFT),
        ("northfield", "nobody"),
        ("90101", "thomas-reed@northfield"),  # the centre number is no address
        ("NORTHFIELD", "thomas-reed@northfield"),
        ("northfield'--", "x"),
    ],
)
def test_what_is_not_of_the_officers_own_organisation_does_not_exist(
    app: Flask, browser: Browser, organisation: str, member: str
) -> None:
    browser.signed_in_as("olivia-marsh")
    token = browser.token()
    before = stored()
    asked = [one for one in requests(app, organisation, member) if organisation != "northfield" or member in one[0]]
    assert len(asked) >= 13
    for path, method in asked:
        # To take somebody away who has left is done, as when a button is pressed twice.
        has_left = organisation == "northfield" and member in HAVE_LEFT
        is_done = has_left and method == "POST" and path.endswith(("/remove", "/cancel-invitation"))
        assert send(browser, path, method, token) == (303 if is_done else 404), f"{method} {path}"
    assert stored() == before


def test_another_organisation_looks_exactly_like_none(olivia: Browser) -> None:
    pages = [
        re.sub(r'name="csrf_token" value="[^"]+"', "", olivia.get(path).html)
        for path in (
            "/organisations/nowhere/users",
            "/organisations/westbrook/users",
            "/organisations/eastgate/users/add",
            "/organisations/westbrook/users/priya-nair@westbrook",
            f"{USERS}/priya-nair@westbrook".replace("northfield", "southmere", 1),
        )
    ]
    assert len(set(pages)) == 1


@pytest.mark.parametrize(
    ("person", "organisation", "member"),
    [
        ("yusuf-demir", "northfield", "thomas-reed@northfield"),  # an officer whose place is suspended
        ("leila-haddad", "eastgate", "leila-haddad@eastgate"),  # an officer of a suspended school
        ("priya-nair", "northfield", "thomas-reed@northfield"),  # an officer who has left
        ("sam-porter", "northfield", "thomas-reed@northfield"),  # the operator's support staff
        ("helen-frost", "northfield", "thomas-reed@northfield"),  # nobody's
    ],
)
def test_who_has_no_place_there_finds_nothing(
    app: Flask, browser: Browser, person: str, organisation: str, member: str
) -> None:
    browser.signed_in_as(person)
    token = browser.token()
    before = stored()
    for path, method in requests(app, organisation, member):
        assert send(browser, path, method, token) == 404, f"{method} {path}"
    assert stored() == before


def test_who_looked_for_what_they_may_not_know_of_is_written_down(browser: Browser) -> None:
    browser.signed_in_as("priya-nair")
    for path in (THOMAS, f"{USERS}/nobody", USERS, "/organisations/nowhere/users", "/console/organisations"):
        browser.get(path)
    refused = Event.select().where(Event.name == EventName.REFUSED).order_by(Event.revision)
    assert [(event.by, event.subject, event.organisation, event.details) for event in refused] == [
        ("person:priya-nair", "membership:thomas-reed@northfield", "northfield", {"action": "read"}),
        ("person:priya-nair", "unknown", "", {"action": "read"}),
        ("person:priya-nair", "organisation:northfield", "northfield", {"action": "list_people"}),
        ("person:priya-nair", "unknown", "", {"action": "list_people"}),
        ("person:priya-nair", "platform", "", {"action": "list_organisations"}),
    ]


@pytest.mark.parametrize("person", ["thomas-reed", "iris-bell", "owen-price", "amara-lewis"])
def test_a_colleague_who_is_no_officer_today_sees_no_people_and_is_told_whom_to_ask(
    app: Flask, browser: Browser, person: str
) -> None:
    browser.signed_in_as(person)
    token = browser.token()
    before = stored()
    for path, method in requests(app, "northfield", "olivia-marsh@northfield"):
        # They know their own school, and nothing of its people.
        expected = 404 if "olivia-marsh@northfield" in path else 403
        assert send(browser, path, method, token) == expected, f"{method} {path}"
    assert stored() == before
    page = browser.get(USERS)
    assert page.heading == "You cannot do this"
    assert "Somebody who can help: Daniel Okafor, daniel.okafor@example.org Olivia Marsh" in page.text


def test_who_is_signed_out_is_asked_to_sign_in_and_changes_nothing(app: Flask, browser: Browser) -> None:
    token = browser.token()
    before = stored()
    for path, method in requests(app, "northfield", "thomas-reed@northfield"):
        assert send(browser, path, method, token) == (303 if method == "POST" else 302), f"{method} {path}"
    assert stored() == before


class TestOnesOwnRow:
    def test_it_can_be_read_and_offers_no_change(self, olivia: Browser) -> None:
        page = olivia.get(OLIVIA)
        assert page.heading == "Olivia Marsh (you)"
        assert page.buttons == []
        assert page.root.all("main")[0].all("input") == []
        assert "You cannot change your own roles. Every change needs a second person." in page.text
        assert "This exams officer of Northfield Academy can change yours: Daniel Okafor, daniel.okafor" in page.text
        assert [link for link in page.links.values() if "olivia-marsh@northfield" in link and "/why/" not in link] == []

    def test_nothing_about_it_can_be_changed_by_a_hand_made_form(self, app: Flask, olivia: Browser) -> None:
        token = olivia.token()
        before = stored()
        asked = [one for one in requests(app, "northfield", "olivia-marsh@northfield") if "olivia" in one[0]]
        for path, method in asked:
            if (path != OLIVIA and "/why/" not in path) or method == "POST":
                assert send(olivia, path, method, token) == 403, f"{method} {path}"
        assert stored() == before
        refused = Event.select().where(Event.name == EventName.REFUSED, Event.by == "person:olivia-marsh")
        assert {event.details["action"] for event in refused} == {
            "change_roles",
            "suspend",
            "reactivate",
            "remove",
            "resend_invitation",
            "cancel_invitation",
        }

    def test_the_refusal_says_why_and_who_can_help(self, olivia: Browser) -> None:
        page = olivia.post(OLIVIA, held(LATE))
        assert page.status == 403
        assert "Nobody can change their own access. That way, every change is seen by a second person." in page.text
        assert "Daniel Okafor" in page.text
        assert "olivia.marsh@example.org" not in page.text

    def test_adding_ones_own_address_adds_no_roles(self, olivia: Browser) -> None:
        before = stored()
        page = olivia.post(
            f"{USERS}/add",
            {
                "step": "save",
                "people-0-name": "Olivia",
                "people-0-address": "OLIVIA.MARSH@example.org",
                "people-0-roles": "training:user",
            },
        )
        assert page.status == 422
        assert page.problems == ["Somebody with this e-mail address is on your list of users already."]
        assert stored() == before


class TestLosingTheRole:
    @pytest.mark.parametrize("how", ["Suspend", "Remove", "Save changes"])
    def test_an_officer_loses_everything_here_at_the_next_click(
        self, olivia: Browser, new_browser: NewBrowser, how: str
    ) -> None:
        daniel = new_browser().signed_in_as("daniel-okafor")
        daniel.get(f"{DANIEL}/suspend")
        olivia.get(THOMAS)
        page = daniel.get(OLIVIA)
        if how == "Save changes":
            daniel.press(how, ticks(daniel.page, ticked_roles(page) - {OFFICER}))
        else:
            daniel.follow(how)
            daniel.press(how)
        before = stored()
        assert olivia.press("Save changes", ticks(olivia.page, [OFFICER])).status == 404
        assert olivia.get(USERS).status == (403 if how == "Save changes" else 404)
        assert "Users" not in olivia.get("/").menu
        assert stored() == before

    def test_a_suspended_person_opens_nothing_until_reactivated_with_the_roles_they_had(
        self, olivia: Browser, new_browser: NewBrowser
    ) -> None:
        thomas = new_browser().signed_in_as("thomas-reed")
        tiles = thomas.get("/").tiles
        olivia.get(THOMAS)
        olivia.follow("Suspend")
        assert olivia.press("Suspend").banners == [
            "Done Thomas Reed has been suspended. They can open nothing here until you reactivate them."
        ]
        assert thomas.get("/").tiles == []
        assert thomas.get("/open/training").status == 403
        assert olivia.press("Reactivate").banners == ["Done Thomas Reed has been reactivated, with the roles they had."]
        assert thomas.get("/").tiles == tiles

    def test_who_is_removed_while_a_colleague_suspends_them_stays_removed(
        self, olivia: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_state = operations._change_state

        def change_too_late(read_before: Membership, *rest: Any) -> None:
            remove_person(Membership.get_by_id(read_before.id), by=rest[-1])
            change_state(read_before, *rest)

        monkeypatch.setattr(operations, "_change_state", change_too_late)
        suspended = Membership.select().where(Membership.state == MembershipState.SUSPENDED).count()
        olivia.get(THOMAS)
        olivia.follow("Suspend")
        [banner] = olivia.press("Suspend").banners
        assert "Somebody changed this meanwhile, so nothing was done." in banner
        assert Membership.select().where(Membership.state == MembershipState.SUSPENDED).count() == suspended

    def test_who_is_removed_and_added_again_starts_without_what_they_had(
        self, olivia: Browser, new_browser: NewBrowser
    ) -> None:
        olivia.get(THOMAS)
        olivia.follow("Remove")
        page = olivia.press("Remove")
        assert page.address == USERS
        assert page.banners == ["Done Thomas Reed has been removed from your organisation."]
        assert "thomas.reed@example.org" not in page.text
        assert membership("thomas-reed@northfield").state == MembershipState.ENDED
        assert roles_of("thomas-reed@northfield") == set()
        assert olivia.get(THOMAS).status == 404
        olivia.get(f"{USERS}/add")
        olivia.press(
            "Continue",
            {
                "people-0-name": "T",
                "people-0-address": "thomas.reed@example.org",
                "people-0-roles": ["exam-entries:user"],
            },
        )
        olivia.press("Save user")
        assert roles_of("thomas-reed@northfield") == {"exam-entries:user"}
        assert new_browser().signed_in_as("thomas-reed").get("/").tiles == ["Exam entries"]
        assert Person.get(Person.public_id == "thomas-reed").name == "Thomas Reed"
