"""Two officers at once: the second one is asked again, by what is true after the first one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event

import pytest
from flask import Flask

from app.accounts.activation import invite
from app.accounts.models import EmailAddress, Person, Session
from app.audit import models as audit
from app.kernel.database import changing, database
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.ui import authorization
from app.vocabulary import EventName, MembershipState
from tests.browsing import Browser, mailed_link
from tests.manage.northfield import DANIEL, OFFICER, OLIVIA, USERS, membership, roles_of, shown

OFFICERS = {"olivia-marsh": OLIVIA, "daniel-okafor": DANIEL}


def at_once(app: Flask, requests: list[tuple[str, str, dict[str, str]]]) -> list[int]:
    """Send each of (person, path, form) from a browser and a thread of its own, all at the same moment."""
    start = Barrier(len(requests))

    def send(person: str, path: str, form: dict[str, str]) -> int:
        with database.connection_context():
            browser = Browser(app.test_client()).signed_in_as(person)
            data = {**form, "csrf_token": browser.token()}
        start.wait()
        return browser.client.post(path, data=data).status_code

    with ThreadPoolExecutor(len(requests)) as threads:
        return [sent.result() for sent in [threads.submit(send, *request) for request in requests]]


@pytest.mark.parametrize(
    ("address", "form"),
    [("", shown(OFFICER)), ("/suspend", {}), ("/remove", {})],
    ids=["demote", "suspend", "remove"],
)
@pytest.mark.parametrize("_round", range(3))
def test_of_two_officers_who_act_against_each_other_exactly_one_succeeds(
    app: Flask, address: str, form: dict[str, str], _round: int
) -> None:
    answers = at_once(
        app,
        [
            ("olivia-marsh", f"{DANIEL}{address}", form),
            ("daniel-okafor", f"{OLIVIA}{address}", form),
        ],
    )
    assert sorted(answers) == [303, 404]
    still = [
        person
        for person in OFFICERS
        if OFFICER in roles_of(f"{person}@northfield")
        and membership(f"{person}@northfield").state == MembershipState.ACTIVE
    ]
    assert len(still) == 1


@pytest.mark.parametrize(
    ("roles", "expected"), [(["training:user"] * 2, [303, 303]), (["training:user", "exam-entries:user"], [303, 422])]
)
def test_two_officers_who_add_the_same_person_at_once_add_them_once(
    app: Flask, roles: list[str], expected: list[int]
) -> None:
    form = {
        "step": "save",
        "people-0-name": "Nora Field",
        "people-0-address": "nora.field@example.org",
    }
    asked = zip(OFFICERS, roles, strict=True)
    answers = at_once(app, [(person, f"{USERS}/add", form | {"people-0-roles": role}) for person, role in asked])
    assert sorted(answers) == expected
    assert EmailAddress.select().where(EmailAddress.address == "nora.field@example.org").count() == 1
    person = EmailAddress.get(EmailAddress.address == "nora.field@example.org").person
    (added,) = Membership.select().where(Membership.person == person)
    assert Grant.select().where(Grant.membership == added).count() == 1


@pytest.mark.parametrize(
    ("other", "expected"), [("another fine harmonica", [303, 410]), ("violet tractor harmonica", [303, 303])]
)
def test_one_invitation_used_twice_at_once_activates_once(app: Flask, other: str, expected: list[int]) -> None:
    person = Person.get(Person.public_id == "ben-castle")
    invite(person, Organisation.get(Organisation.public_id == "northfield"), by=None)
    link = mailed_link("ben.castle@example.org")
    passwords = ["violet tractor harmonica", other]
    # That somebody else is signed in where the link is opened must not matter.
    answers = at_once(app, [("helen-frost", link, {"password": password}) for password in passwords])
    assert sorted(answers) == expected
    activated = audit.Event.select().where(audit.Event.name == EventName.PERSON_ACTIVATED)
    assert activated.count() == 1


def test_a_change_that_waited_while_its_session_was_ended_is_not_made(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.signed_in_as("olivia-marsh")
    form = {"csrf_token": browser.token()}
    waits = Event()

    @contextmanager
    def changing_after_a_while() -> Iterator[None]:
        waits.set()
        with changing():
            yield

    monkeypatch.setattr(authorization, "changing", changing_after_a_while)
    with ThreadPoolExecutor(1) as thread:
        with changing():
            sent = thread.submit(browser.client.post, f"{DANIEL}/suspend", data=form)
            waits.wait()
            Session.delete().execute()
        answer = sent.result()
    assert answer.location.startswith("/sign-in?")
    assert membership("daniel-okafor@northfield").state == MembershipState.ACTIVE
