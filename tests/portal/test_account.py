"""One's own account."""

from collections.abc import Callable

import pytest

from app.accounts.models import Person
from app.accounts.operations import ask_password_reset
from app.audit.models import Event
from app.mail.models import Mail
from app.vocabulary import EventName
from tests.browsing import PASSWORD, Browser, mailed_link, mails_to

pytestmark = pytest.mark.one_database

GOOD = "violet tractor harmonica"

NewBrowser = Callable[[], Browser]


def test_the_account_says_who_one_is_and_what_one_may_use(browser: Browser) -> None:
    text = browser.signed_in_as("amara-lewis").get("/account").text
    for words in (
        "Amara Lewis",
        "amara.lewis@example.org",
        "Northfield Academy centre 90101",
        "Submit for assessment: Teacher",
        "Westbrook College centre 90102",
        "User management until ",
        "Your roles",
        "Why can I open a service, or not?",
    ):
        assert words in text
    assert "not offered any more" not in text
    assert "ticked" not in text


def test_a_role_of_a_service_that_is_not_open_says_so(browser: Browser) -> None:
    held = [item.text for item in browser.signed_in_as("thomas-reed").get("/account").root.all("main")[0].all("li")]
    assert "Results by post: User (not offered any more)" in held
    assert "Training: User" in held
    text = browser.signed_in_as("olivia-marsh").get("/account").text
    assert "Online moderation: Exams officer (not open yet)" in text


def test_what_has_ended_and_what_is_suspended_is_said(browser: Browser) -> None:
    assert "ended on" in browser.signed_in_as("iris-bell").get("/account").text
    assert "Your access here is suspended" in browser.signed_in_as("yusuf-demir").get("/account").text
    assert "This organisation is not open" in browser.signed_in_as("leila-haddad").get("/account").text
    assert "does not belong to a school or college yet" in browser.signed_in_as("helen-frost").get("/account").text


def test_a_person_changes_their_name(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed").get("/account")
    browser.follow("Change your name")
    assert browser.page.value("name") == "Thomas Reed"
    page = browser.press("Save name", {"name": "  Tom   O'Reed "})
    assert page.banners == ["Done Your name has been changed."]
    assert Person.get(Person.public_id == "thomas-reed").name == "Tom O'Reed"
    assert Event.select().order_by(Event.revision.desc()).get().name == EventName.DETAILS_CHANGED


def test_a_name_cannot_be_empty_or_endless_and_what_was_typed_comes_back(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed").get("/account/name")
    assert browser.press("Save name", {"name": "   "}).problems == ["Enter your name."]
    page = browser.press("Save name", {"name": "T" * 121})
    assert page.problems == ["A name has at most 120 characters here."]
    assert page.value("name") == "T" * 121
    assert Person.get(Person.public_id == "thomas-reed").name == "Thomas Reed"


class TestChangingThePassword:
    def test_it_needs_the_current_one_and_signs_other_browsers_out(
        self, browser: Browser, new_browser: NewBrowser
    ) -> None:
        other = new_browser().signed_in_as("thomas-reed")
        browser.signed_in_as("thomas-reed").get("/account")
        browser.follow("Change your password")
        page = browser.press("Save password", {"current_password": "wrong", "password": GOOD})
        assert page.problems == ["This is not your current password."]
        assert other.get("/account").heading == "Account"
        page = browser.press("Save password", {"current_password": PASSWORD, "password": GOOD})
        assert page.banners == ["Done Your password has been changed. Other browsers have been signed out."]
        assert other.get("/account").heading == "Sign in"
        assert new_browser().sign_in("thomas-reed", GOOD).heading == "Your services"
        assert new_browser().sign_in("thomas-reed", PASSWORD).status == 422
        assert mails_to("thomas.reed@example.org") == ["Your Tessera password was changed"]

    def test_nobody_is_told_their_passwords_by_a_page_or_a_mail(self, browser: Browser) -> None:
        browser.signed_in_as("thomas-reed").get("/account/password")
        page = browser.press("Save password", {"current_password": "not this one", "password": GOOD})
        assert "not this one" not in page.html
        assert GOOD not in page.html
        browser.press("Save password", {"current_password": PASSWORD, "password": GOOD})
        assert GOOD not in Mail.get().body

    def test_a_weak_new_one_is_refused(self, browser: Browser) -> None:
        browser.signed_in_as("thomas-reed").get("/account/password")
        for weak in ("short", "Thomas Reed 1", "qwertyuiop123"):
            assert browser.press("Save password", {"current_password": PASSWORD, "password": weak}).status == 422
        assert browser.press("Save password", {"current_password": "", "password": ""}).problems == [
            "Enter your current password.",
            "Choose a new password.",
        ]

    def test_the_current_one_cannot_be_guessed_at_leisure(self, browser: Browser) -> None:
        browser.signed_in_as("thomas-reed").get("/account/password")
        for _ in range(10):
            browser.press("Save password", {"current_password": "wrong", "password": GOOD})
        page = browser.press("Save password", {"current_password": PASSWORD, "password": GOOD})
        assert page.problems == ["There have been too many tries. Wait 15 minutes, then try again."]

    def test_a_link_for_a_new_password_that_was_asked_for_before_does_not_work_after(self, browser: Browser) -> None:
        ask_password_reset("thomas.reed@example.org")
        link = mailed_link("thomas.reed@example.org")
        browser.signed_in_as("thomas-reed").get("/account/password")
        browser.press("Save password", {"current_password": PASSWORD, "password": GOOD})
        assert browser.get(link).status == 410
