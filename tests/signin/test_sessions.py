"""Signing in and out, as people and as guessers."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask

from app.accounts import passwords
from app.accounts.models import Person, Session
from app.accounts.throttling import PER_ADDRESS_AND_SOURCE
from app.audit.models import Event
from app.vocabulary import EventName, PersonState
from tests.browsing import PASSWORD, Browser, Page

WRONG = "This e-mail address and password do not belong together. Check both and try again."
NOT_OPEN = "Your account is not open at the moment. Telephone or write to the support desk; they can tell you why."
TOO_MANY = "There have been too many tries. Wait 15 minutes, then try again."

NewBrowser = Callable[[], Browser]


def attempt(browser: Browser, address: str, password: str, path: str = "/sign-in") -> Page:
    """Type into the form for signing in, and send it."""
    browser.get(path)
    return browser.press("Sign in", {"address": address, "password": password})


def test_a_person_signs_in_and_sees_their_services(browser: Browser) -> None:
    page = attempt(browser, "olivia.marsh@example.org", PASSWORD)
    assert (page.status, page.address, page.heading) == (200, "/", "Your services")


@pytest.mark.parametrize("address", ["Olivia.Marsh@Example.ORG", "  olivia.marsh@example.org "])
def test_an_address_may_be_typed_in_any_case_and_with_spaces_around_it(browser: Browser, address: str) -> None:
    assert attempt(browser, address, PASSWORD).heading == "Your services"


def told(browser: Browser, address: str, password: str) -> str:
    """Return the whole page that a try brings, without the address typed and the token."""
    page = attempt(browser, address, password)
    assert page.status == 422
    return re.sub(r'name="csrf_token" value="[^"]+"', "", page.html).replace(address, "ADDRESS")


@pytest.mark.parametrize(
    "address",
    [
        "nobody@example.org",
        "grace.holt@example.org",  # suspended
        "martin.shaw@example.org",  # closed
        "ben.castle@example.org",  # invited
    ],
)
def test_a_wrong_password_tells_nothing_about_the_account(new_browser: NewBrowser, address: str) -> None:
    known = told(new_browser(), "olivia.marsh@example.org", "not the password")
    assert told(new_browser(), address, "not the password") == known
    assert WRONG in known


@pytest.mark.parametrize("address", ["olivia.marsh", "nobody", "grace.holt", "martin.shaw", "ben.castle"])
def test_a_wrong_password_costs_the_same_for_everybody(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    tried: list[str] = []

    class Counted(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002  (what argon2 calls it)
            tried.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "hasher", Counted(time_cost=1, memory_cost=8, parallelism=1))
    attempt(browser, f"{address}@example.org", "not the password")
    assert [stored.split("$")[1:4] for stored in tried] == [["argon2id", "v=19", "m=8,t=1,p=1"]]


@pytest.mark.parametrize("address", ["grace.holt@example.org", "martin.shaw@example.org"])
def test_who_knows_the_password_of_an_account_that_is_not_open_is_told_so_and_stays_out(
    browser: Browser, address: str
) -> None:
    assert attempt(browser, address, PASSWORD).problems == [NOT_OPEN]
    assert browser.get("/").heading == "Sign in"


def test_an_invited_person_has_no_password_to_sign_in_with(browser: Browser) -> None:
    for password in (PASSWORD, "nobody has this password"):
        assert attempt(browser, "ben.castle@example.org", password).problems == [WRONG]


def test_what_was_typed_comes_back_but_never_the_password(browser: Browser) -> None:
    page = attempt(browser, "olivia.marsh@example.org", "not the password")
    assert page.value("address") == "olivia.marsh@example.org"
    assert "not the password" not in page.html
    assert attempt(browser, "", "").problems == ["Enter an e-mail address.", "Enter your password."]
    assert attempt(browser, "olivia", "x").problems == [
        "Enter an e-mail address in the right form, such as name@example.org."
    ]


def test_a_failed_sign_in_is_recorded_without_the_address_that_was_typed(browser: Browser) -> None:
    attempt(browser, "nobody@example.org", "x")
    attempt(browser, "olivia.marsh@example.org", "x")
    events = Event.select().where(Event.name == EventName.SIGN_IN_FAILED).order_by(Event.revision)
    assert [event.subject for event in events] == ["person:unknown", "person:olivia-marsh"]
    assert "@" not in "".join(str(event.details) for event in events)


class TestThrottling:
    def test_the_eleventh_try_from_one_place_is_refused_even_with_the_right_password(self, browser: Browser) -> None:
        for _ in range(PER_ADDRESS_AND_SOURCE):
            assert attempt(browser, "olivia.marsh@example.org", "wrong").problems == [WRONG]
        assert attempt(browser, "olivia.marsh@example.org", PASSWORD).problems == [TOO_MANY]

    def test_after_15_minutes_it_works_again(self, browser: Browser) -> None:
        start = datetime.now(UTC)
        with time_machine.travel(start, tick=False) as traveller:
            for _ in range(PER_ADDRESS_AND_SOURCE):
                attempt(browser, "olivia.marsh@example.org", "wrong")
            traveller.move_to(start + timedelta(minutes=14, seconds=59))
            assert attempt(browser, "olivia.marsh@example.org", PASSWORD).problems == [TOO_MANY]
            traveller.move_to(start + timedelta(minutes=15, seconds=1))
            assert attempt(browser, "olivia.marsh@example.org", PASSWORD).heading == "Your services"

    def test_the_person_still_gets_in_from_another_place(self, browser: Browser) -> None:
        browser.place = "192.0.2.66"
        for _ in range(PER_ADDRESS_AND_SOURCE + 1):
            attempt(browser, "olivia.marsh@example.org", "wrong")
        browser.place = "192.0.2.7"
        assert attempt(browser, "olivia.marsh@example.org", PASSWORD).heading == "Your services"

    def test_an_unknown_address_is_refused_after_as_many_tries_as_a_known_one(self, browser: Browser) -> None:
        for _ in range(PER_ADDRESS_AND_SOURCE):
            assert attempt(browser, "nobody@example.org", "wrong").problems == [WRONG]
        assert attempt(browser, "nobody@example.org", "wrong").problems == [TOO_MANY]

    def test_a_sign_in_that_worked_is_not_held_against_anybody(self, new_browser: NewBrowser) -> None:
        for _ in range(PER_ADDRESS_AND_SOURCE + 2):
            assert attempt(new_browser(), "olivia.marsh@example.org", PASSWORD).heading == "Your services"

    def test_other_people_at_the_same_place_get_in(self, browser: Browser) -> None:
        for _ in range(PER_ADDRESS_AND_SOURCE + 1):
            attempt(browser, "olivia.marsh@example.org", "wrong")
        assert attempt(browser, "thomas.reed@example.org", PASSWORD).heading == "Your services"


class TestSession:
    def test_signing_out_ends_the_session_also_for_a_copied_cookie(self, app: Flask, browser: Browser) -> None:
        browser.sign_in("olivia-marsh")
        cookie = browser.client.get_cookie("tessera")
        assert cookie is not None
        thief = Browser(app.test_client())
        thief.client.set_cookie("tessera", cookie.value)
        assert thief.get("/").heading == "Your services"
        assert browser.press("Sign out").banners == ["Done You have signed out."]
        assert thief.get("/").heading == "Sign in"
        assert browser.get("/").heading == "Sign in"

    def test_the_cookie_is_kept_from_scripts_and_from_other_sites(self, browser: Browser) -> None:
        browser.sign_in("olivia-marsh")
        cookie = browser.client.get_cookie("tessera")
        assert cookie is not None
        assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Lax", None)

    def test_signing_in_starts_a_session_that_nobody_could_have_prepared(self, app: Flask) -> None:
        tokens = []
        for _ in range(2):
            browser = Browser(app.test_client())
            browser.sign_in("olivia-marsh")
            with browser.client.session_transaction() as session:
                tokens.append(session["_user_id"])
        assert tokens[0] != tokens[1]
        assert min(map(len, tokens)) >= 43
        assert not Session.select().where(Session.token_hash.in_(tokens)).exists()

    def test_a_browser_left_alone_for_an_hour_is_signed_out(self, browser: Browser) -> None:
        with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
            browser.signed_in_as("olivia-marsh")
            traveller.shift(timedelta(minutes=59))
            assert browser.get("/").heading == "Your services"
            traveller.shift(timedelta(minutes=59))
            assert browser.get("/account").heading == "Account"
            traveller.shift(timedelta(minutes=61))
            assert browser.get("/account").heading == "Sign in"

    def test_nobody_stays_signed_in_longer_than_12_hours(self, browser: Browser) -> None:
        with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
            browser.signed_in_as("olivia-marsh")
            for _ in range(16):
                traveller.shift(timedelta(minutes=45))
                assert browser.get("/account").heading == "Account"
            traveller.shift(timedelta(minutes=1))
            assert browser.get("/account").heading == "Sign in"

    def test_a_person_who_is_suspended_everywhere_loses_everything_at_the_next_click(self, browser: Browser) -> None:
        browser.signed_in_as("olivia-marsh")
        assert browser.get("/").status == 200
        Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "olivia-marsh").execute()
        for path in ("/", "/account", "/organisations/northfield/users", "/open/submit-for-assessment"):
            assert browser.get(path).heading == "Sign in"
        assert browser.press("Sign in", {"address": "olivia.marsh@example.org", "password": PASSWORD}).problems == [
            NOT_OPEN
        ]


class TestWayBack:
    def test_signing_in_leads_on_to_where_the_person_was_going(self, browser: Browser) -> None:
        page = browser.sign_in("olivia-marsh", path="/organisations/northfield/users?search=reed&page=1")
        assert page.address == "/organisations/northfield/users?search=reed&page=1"

    def test_a_mistake_on_the_way_does_not_lose_the_way(self, browser: Browser) -> None:
        attempt(browser, "olivia.marsh@example.org", "wrong", "/account")
        page = browser.press("Sign in", {"password": PASSWORD})
        assert page.address == "/account"

    @pytest.mark.parametrize(
        "wanted",
        [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/%5Cevil.example/%5C",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n//evil.example",
            " //evil.example",
            "http://127.0.0.1:8000@evil.example",
            "evil.example",
            "//[",
            "",
        ],
    )
    def test_the_way_on_never_leads_out_of_the_portal(self, app: Flask, wanted: str) -> None:
        browser = Browser(app.test_client())
        data = {"address": "olivia.marsh@example.org", "password": PASSWORD, "csrf_token": browser.token()}
        answer = browser.client.post("/sign-in", query_string={"next": wanted}, data=data)
        assert answer.status_code == 303
        assert answer.location == "/" or (answer.location.startswith("/%5C") and "//" not in answer.location)
        again = browser.client.get("/sign-in", query_string={"next": wanted})
        assert again.location == answer.location

    def test_a_form_sent_after_the_session_ended_is_not_sent_by_signing_in(self, browser: Browser) -> None:
        answer = browser.post("/account/name", {"name": "Somebody Else"})
        assert answer.heading == "Sign in"
        assert browser.sign_in("olivia-marsh", path=answer.address).address == "/account/name"
        assert "Olivia Marsh" in browser.get("/account").text
