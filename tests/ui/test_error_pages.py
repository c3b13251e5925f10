"""What every page has around it, and the pages for what goes wrong."""

import shutil
from pathlib import Path

import pytest
from flask import Flask

from app.accounts.models import Person
from app.kernel import database as kernel
from tests.browsing import PASSWORD, Browser, Page
from tests.running import change, restored

pytestmark = pytest.mark.one_database

PEOPLE = ("olivia-marsh", "thomas-reed", "amara-lewis", "helen-frost", "sam-porter", "leila-haddad")


@pytest.mark.slow
@pytest.mark.parametrize("person", [*PEOPLE, None])
def test_every_page_that_the_menu_and_its_links_lead_to_is_a_good_page(browser: Browser, person: str | None) -> None:
    if person:
        browser.signed_in_as(person)
    waiting, seen = ["/"], set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.startswith("/") or path.startswith("/static"):
            continue
        seen.add(path)
        page = browser.get(path)
        assert page.status in {200, 403}, f"{path} answers {page.status}"
        waiting += [href.partition("#")[0] for href in page.links.values()]
    assert len(seen) >= (5 if person else 3)


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_address_that_leads_nowhere_says_so_on_a_whole_page(browser: Browser, signed_in: bool) -> None:
    if signed_in:
        browser.signed_in_as("olivia-marsh")
    for path in ("/nothing", "/organisations/", "/organisations/northfield", "/account/", "/static/nothing.css"):
        page = browser.get(path)
        assert (page.status, page.heading) == (404, "Page not found")


def test_without_the_database_pages_still_say_what_is_wrong_and_keep_their_style(
    app: Flask, browser: Browser, tmp_path: Path
) -> None:
    browser.signed_in_as("olivia-marsh")
    # As in production, where an error ends in a page.
    app.testing = False
    try:
        with restored():
            change(database=kernel.open_database(f"sqlite:///{tmp_path / 'moved' / 'tessera.db'}"))
            shutil.rmtree(tmp_path / "moved")
            answer = browser.client.get("/")
            with browser.client.get("/static/tessera.css") as style:
                assert style.status_code == 200
    finally:
        app.testing = True
    page = Page(answer)
    assert (page.status, page.heading) == (503, "We cannot reach our records")
    assert page.faults() == []
    assert "Content-Security-Policy" in answer.headers


def test_a_form_sent_the_wrong_way_says_so(browser: Browser) -> None:
    browser.signed_in_as("olivia-marsh")
    page = Page(browser.client.get("/sign-out"))
    assert (page.status, page.heading) == (405, "This did not work")
    assert page.faults() == []


def test_a_form_that_was_open_too_long_says_so_and_changes_nothing(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed")
    page = Page(browser.client.post("/account/name", data={"name": "X", "csrf_token": "old"}))
    assert (page.status, page.heading) == (400, "This page is out of date")
    assert "It belongs to an earlier sign-in, or was open for too long." in page.text
    assert page.faults() == []
    assert Person.get(Person.public_id == "thomas-reed").name == "Thomas Reed"


def test_a_form_of_an_earlier_sign_in_says_so_and_changes_nothing(browser: Browser) -> None:
    browser.sign_in("thomas-reed")
    form = {"name": "X", "csrf_token": browser.token()}
    browser.press("Sign out")
    browser.sign_in("thomas-reed")
    page = Page(browser.client.post("/account/name", data=form))
    assert (page.status, page.heading) == (400, "This page is out of date")
    assert Person.get(Person.public_id == "thomas-reed").name == "Thomas Reed"


@pytest.mark.parametrize(
    ("path", "leads_on_to"),
    [
        ("/account/name", "/account/name"),
        (
            "/organisations/northfield/users/ben-castle@northfield",
            "/organisations/northfield/users/ben-castle@northfield",
        ),
        ("/organisations/northfield/users/ben-castle@northfield/resend-invitation", "/"),
    ],
)
def test_a_form_sent_after_signing_out_in_another_tab_says_so_and_leads_back(
    browser: Browser, path: str, leads_on_to: str
) -> None:
    browser.sign_in("olivia-marsh")
    form = {"name": "X", "csrf_token": browser.token()}
    browser.press("Sign out")
    page = browser.page = Page(browser.client.post(path, data=form))
    assert (page.status, page.heading, page.faults()) == (400, "You are signed out", [])
    assert "Nothing was changed." in page.text
    browser.follow("Sign in to go on")
    page = browser.press("Sign in", {"address": "olivia.marsh@example.org", "password": PASSWORD})
    assert page.address == leads_on_to
    assert Person.get(Person.public_id == "olivia-marsh").name == "Olivia Marsh"


def test_a_stale_form_that_needs_nobody_signed_in_asks_nobody_to_sign_in(browser: Browser) -> None:
    for path in ("/sign-in", "/forgotten-password", "/activate/x"):
        page = Page(browser.client.post(path, data={"csrf_token": "old"}))
        assert (page.status, page.heading, page.faults()) == (400, "This page is out of date", [])


def test_a_form_that_is_too_large_is_refused(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed")
    answer = browser.client.post("/account/name", data={"name": "x" * 1_100_000})
    assert answer.status_code == 413
    assert Page(answer).faults() == []


def test_a_null_character_is_refused_wherever_it_stands(browser: Browser) -> None:
    browser.signed_in_as("olivia-marsh")
    for path in ("/open/%00", "/organisations/northfield/users?search=%00", "/activate/a%00b"):
        assert browser.get(path).status == 400
    assert browser.post("/account/name", {"name": "a\0b"}).status == 400


def test_help_is_on_every_page_in_the_same_place(browser: Browser) -> None:
    for path in ("/sign-in", "/forgotten-password", "/nothing"):
        (foot,) = browser.get(path).root.all("footer")
        assert "Telephone 01632 960 000 or write to support@example.org" in foot.text


def test_every_page_says_who_is_signed_in_and_where(browser: Browser) -> None:
    (top,) = browser.signed_in_as("olivia-marsh").get("/account").root.all("header")
    assert "Olivia Marsh" in top.text
    assert "Northfield Academy" in top.text
