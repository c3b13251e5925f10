"""Activating an account, and asking for one."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.accounts.activation import INVITATION_LASTS, invite
from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.throttling import PER_ADDRESS_AND_SOURCE
from app.audit.models import Event
from app.mail.models import Mail
from app.organisations.models import Organisation
from app.vocabulary import EventName, PersonState
from tests.browsing import PASSWORD, Browser, mailed_link, mails_to

BEN = "ben.castle@example.org"
GOOD = "violet tractor harmonica"

NewBrowser = Callable[[], Browser]


@pytest.fixture
def link(cast: None) -> str:
    """The address in a mail that invites Ben."""
    invite(
        Person.get(Person.public_id == "ben-castle"),
        Organisation.get(Organisation.public_id == "northfield"),
        by=Person.get(Person.public_id == "olivia-marsh"),
    )
    return mailed_link(BEN)


def ben() -> Person:
    """Return Ben as he is stored now."""
    return Person.get(Person.public_id == "ben-castle")


class TestActivating:
    def test_the_invited_person_chooses_a_password_and_is_in(self, browser: Browser, link: str) -> None:
        page = browser.get(link)
        assert "Olivia Marsh has added you to Northfield Academy" in page.text
        page = browser.press("Activate account", {"password": GOOD})
        assert (page.address, page.tiles) == ("/", ["Teaching resources"])
        assert page.banners == ["Done Your account is active. Welcome."]
        browser.press("Sign out")
        assert browser.sign_in("ben-castle", GOOD).heading == "Your services"

    def test_a_scanner_that_opens_the_link_changes_nothing(self, browser: Browser, link: str) -> None:
        for method in ("GET", "HEAD", "OPTIONS", "PUT"):
            browser.client.open(link, method=method)
        assert browser.client.post(link, data={"password": GOOD}).status_code == 400
        assert browser.client.post(link, data={"password": GOOD, "csrf_token": "x"}).status_code == 400
        assert ben().state == PersonState.INVITED
        assert browser.get(link).heading == "Activate your account"

    def test_the_link_works_once(self, browser: Browser, new_browser: NewBrowser, link: str) -> None:
        late = new_browser()
        late.get(link)
        browser.get(link)
        browser.press("Activate account", {"password": GOOD})
        page = late.press("Activate account", {"password": "another fine harmonica"})
        assert page.status == 410
        assert "has been activated already" in page.text
        assert browser.get(link).status == 410
        assert new_browser().sign_in("ben-castle", GOOD).heading == "Your services"

    def test_who_presses_twice_is_sent_to_sign_in(self, browser: Browser, new_browser: NewBrowser, link: str) -> None:
        # Of a double click only the second answer is seen. A colleague may be signed in where the link is opened.
        second = new_browser().signed_in_as("helen-frost")
        second.get(link)
        browser.get(link)
        browser.press("Activate account", {"password": GOOD})
        page = second.press("Activate account", {"password": GOOD})
        assert (page.status, page.heading) == (200, "Sign in")
        assert page.banners == ["Done Your account is active. Sign in with the password that you have chosen."]
        assert second.get("/account").heading == "Sign in"
        assert second.sign_in("ben-castle", GOOD).heading == "Your services"

    def test_guessing_by_a_used_link_counts_as_signing_in_does(
        self, browser: Browser, new_browser: NewBrowser, link: str
    ) -> None:
        browser.get(link)
        browser.press("Activate account", {"password": GOOD})
        guesser = new_browser()
        for _ in range(PER_ADDRESS_AND_SOURCE):
            assert guesser.post(link, {"password": "another fine harmonica"}).status == 410
        assert Event.select().where(Event.name == EventName.SIGN_IN_FAILED).count() == PER_ADDRESS_AND_SOURCE
        assert guesser.post(link, {"password": GOOD}).status == 410
        assert guesser.sign_in("ben-castle", GOOD).status == 422

    def test_a_used_link_leads_nowhere_once_the_account_is_not_open(self, browser: Browser, link: str) -> None:
        browser.get(link)
        browser.press("Activate account", {"password": GOOD})
        Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "ben-castle").execute()
        assert browser.post(link, {"password": GOOD}).status == 410

    def test_the_link_works_for_14_days(self, browser: Browser, link: str) -> None:
        ends = Invitation.select().order_by(Invitation.id.desc()).get().ends_at
        assert abs(ends - datetime.now(UTC) - timedelta(days=14)) < timedelta(minutes=1)
        assert timedelta(days=14) == INVITATION_LASTS
        with time_machine.travel(ends - timedelta(seconds=1), tick=False):
            assert browser.get(link).status == 200
        with time_machine.travel(ends, tick=False):
            page = browser.get(link)
            assert page.status == 410
            assert "Invitations work for 14 days" in page.text
            assert page.links["olivia.marsh@example.org"] == "mailto:olivia.marsh@example.org"
            assert "These exams officers of Northfield Academy can send you a new invitation:" in page.text
            Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "daniel-okafor").execute()
            assert "This exams officer of Northfield Academy can send you a new invitation:" in browser.get(link).text
            assert browser.post(link, {"password": GOOD}).status == 410
        assert ben().state == PersonState.INVITED

    def test_a_cancelled_invitation_does_not_work(self, browser: Browser, link: str) -> None:
        browser.get(link)
        Invitation.update(cancelled_at=datetime.now(UTC)).execute()
        page = browser.press("Activate account", {"password": GOOD})
        assert page.status == 410
        assert "The invitation was taken back, or a newer one was sent" in page.text
        assert ben().state == PersonState.INVITED

    def test_an_unknown_link_says_that_it_may_be_cut_off(self, browser: Browser, link: str) -> None:
        for wrong in (link[:-1], f"{link}x", "/activate/x", "/activate/" + "x" * 3000):
            page = browser.get(wrong)
            assert page.status == 404
            assert "Check that the whole address was copied" in page.text

    @pytest.mark.parametrize(
        ("password", "problem"),
        [
            ("", "Choose a password."),
            ("short", "Your password must be at least 12 characters long."),
            ("elevenchars", "Your password must be at least 12 characters long."),
            ("password1234", "This password is easy to guess."),
            ("aaaaaaaaaaaaaaaa", "This password is easy to guess."),
            ("Ben Castle 12", "This password is easy to guess."),
            ("ben.castle@example.org", "This password is easy to guess."),
            ("bencastle1985", "This password is easy to guess."),
            ("Tessera exams 1", "This password is easy to guess."),
            ("x" * 1001, "Your password must be at most 1000 characters long."),
        ],
    )
    def test_a_password_that_is_easy_to_guess_is_refused(
        self, browser: Browser, link: str, password: str, problem: str
    ) -> None:
        browser.get(link)
        page = browser.press("Activate account", {"password": password})
        assert page.status == 422
        assert page.problems[0].startswith(problem)
        assert not password or password not in page.html.replace(BEN, "")
        assert ben().state == PersonState.INVITED
        assert browser.press("Activate account", {"password": GOOD}).heading == "Your services"

    @pytest.mark.parametrize("password", ["häßliche Grüße überall", "  spaces are kept  ", f"{GOOD} " * 30])
    def test_any_characters_and_any_length_are_welcome_and_count(
        self, browser: Browser, new_browser: NewBrowser, link: str, password: str
    ) -> None:
        browser.get(link)
        browser.press("Activate account", {"password": password + "violet"})
        assert new_browser().sign_in("ben-castle", password + "Violet").status == 422
        assert new_browser().sign_in("ben-castle", password + "violet").heading == "Your services"

    def test_who_is_signed_in_at_this_browser_is_warned_of_and_then_signed_out(
        self, browser: Browser, new_browser: NewBrowser, link: str
    ) -> None:
        browser.sign_in("thomas-reed")
        cookie = browser.client.get_cookie("tessera")
        assert cookie is not None
        page = browser.get(link)
        assert "Thomas Reed is signed in on this browser" in page.text
        browser.press("Activate account", {"password": GOOD})
        assert "Ben Castle" in browser.get("/account").text
        copied = new_browser()
        copied.client.set_cookie("tessera", cookie.value)
        assert copied.get("/account").heading == "Sign in"

    def test_one_link_used_ends_all_the_others_of_the_same_person(self, browser: Browser, link: str) -> None:
        invite(ben(), Organisation.get(Organisation.public_id == "westbrook"), by=None)
        second = mailed_link(BEN)
        browser.get(second)
        browser.press("Activate account", {"password": GOOD})
        assert browser.get(link).status == 410

    def test_a_suspended_account_cannot_be_activated(self, browser: Browser, link: str) -> None:
        browser.get(link)
        Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "ben-castle").execute()
        page = browser.press("Activate account", {"password": GOOD})
        assert page.problems == ["This link does not work any more."]
        assert ben().state == PersonState.SUSPENDED


class TestCreatingAnAccount:
    @staticmethod
    def asked(browser: Browser, name: str, address: str) -> str:
        """Ask for an account, and return the whole page that it brings, without the address."""
        browser.get("/create-account")
        page = browser.press("Create account", {"name": name, "address": address})
        assert page.status == 200
        assert page.heading == "Check your e-mail"
        return re.sub(r'name="csrf_token" value="[^"]+"', "", page.html).replace(address, "ADDRESS")

    def test_a_known_and_an_unknown_address_get_the_same_page(self, new_browser: NewBrowser) -> None:
        unknown = self.asked(new_browser(), "Nora Field", "nora.field@example.org")
        for known in ("olivia.marsh@example.org", BEN, "grace.holt@example.org", "martin.shaw@example.org"):
            assert self.asked(new_browser(), "Nora Field", known) == unknown

    def test_the_mail_says_what_the_page_does_not(self, browser: Browser) -> None:
        self.asked(browser, "Nora Field", "nora.field@example.org")
        self.asked(browser, "Nora Field", "olivia.marsh@example.org")
        assert mails_to("nora.field@example.org") == ["Activate your Tessera account"]
        assert mails_to("olivia.marsh@example.org") == ["You have a Tessera account already"]
        assert Person.get(Person.public_id == "olivia-marsh").name == "Olivia Marsh"

    def test_the_mail_leads_only_those_to_the_form_whom_it_lets_in(self, browser: Browser) -> None:
        self.asked(browser, "Nora Field", "olivia.marsh@example.org")
        assert mailed_link("olivia.marsh@example.org") == "/sign-in"
        for address in ("grace.holt@example.org", "martin.shaw@example.org"):  # suspended, closed
            self.asked(browser, "Nora Field", address)
            [mail] = Mail.select().where(Mail.to_address == address)
            assert "You have one already, but it is not open at the moment. Our support desk can" in mail.body
            assert "http" not in mail.body

    def test_an_account_alone_opens_nothing(self, browser: Browser) -> None:
        self.asked(browser, "Nora Field", "Nora.Field@Example.org")
        browser.get(mailed_link("nora.field@example.org"))
        page = browser.press("Activate account", {"password": GOOD})
        assert page.tiles == []
        assert "What to do next" in page.text
        assert page.menu == ["Home", "Account"]

    def test_what_was_typed_comes_back_with_what_is_wrong(self, browser: Browser) -> None:
        browser.get("/create-account")
        page = browser.press("Create account", {"name": "Nora Field", "address": "nora at example"})
        assert page.status == 422
        assert page.problems == ["Enter an e-mail address in the right form, such as name@example.org."]
        assert (page.value("name"), page.value("address")) == ("Nora Field", "nora at example")
        page = browser.press("Create account", {"name": "  ", "address": "nora.field@example.org"})
        assert page.problems == ["Enter your name."]
        page = browser.press("Create account", {"name": "N" * 121})
        assert page.problems == ["A name has at most 120 characters here."]

    def test_a_name_is_shown_as_it_was_typed_and_never_becomes_markup(self, browser: Browser) -> None:
        self.asked(browser, "<script>alert(1)</script> & 'Co'", "nora.field@example.org")
        browser.get(mailed_link("nora.field@example.org"))
        assert "Welcome, <script>alert(1)</script> & 'Co'." in browser.page.text
        assert "<script>" not in browser.page.html

    def test_nobody_is_flooded_with_mail(self, browser: Browser) -> None:
        for _ in range(5):
            self.asked(browser, "Nora Field", "olivia.marsh@example.org")
        browser.get("/create-account")
        page = browser.press("Create account", {"name": "Nora Field", "address": "olivia.marsh@example.org"})
        assert page.problems == ["There have been too many tries. Wait 15 minutes, then try again."]
        assert Mail.select().count() == 5

    def test_a_line_break_in_a_name_does_not_reach_a_mail(self, browser: Browser) -> None:
        page = browser.post("/create-account", {"name": "Nora\r\nBcc: x@y.z", "address": "nora.field@example.org"})
        assert page.status == 200
        row = EmailAddress.get(EmailAddress.address == "nora.field@example.org")
        assert row.person.name == "Nora Bcc: x@y.z"

    def test_who_is_signed_in_has_an_account(self, browser: Browser) -> None:
        browser.signed_in_as("olivia-marsh")
        assert browser.get("/create-account").address == "/"


@pytest.fixture
def moment(cast: None) -> Iterator[time_machine.Traveller]:
    """A clock that stands still until it is moved."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


class TestForgottenPassword:
    @staticmethod
    def asked(browser: Browser, address: str) -> str:
        """Ask for a link, and return the whole page that it brings, without the address."""
        browser.get("/forgotten-password")
        page = browser.press("Send the link", {"address": address})
        assert page.status == 200
        return re.sub(r'name="csrf_token" value="[^"]+"', "", page.html).replace(address, "ADDRESS")

    def test_the_page_says_the_same_for_every_address(self, new_browser: NewBrowser) -> None:
        known = self.asked(new_browser(), "olivia.marsh@example.org")
        for other in ("nobody@example.org", BEN, "grace.holt@example.org"):
            assert self.asked(new_browser(), other) == known
            assert mails_to(other) == []
        assert mails_to("olivia.marsh@example.org") == ["Choose a new Tessera password"]

    def test_a_new_password_replaces_the_old_one_and_signs_other_browsers_out(
        self, browser: Browser, new_browser: NewBrowser
    ) -> None:
        other = new_browser().signed_in_as("olivia-marsh")
        self.asked(browser, "olivia.marsh@example.org")
        browser.get(mailed_link("olivia.marsh@example.org"))
        page = browser.press("Save password", {"password": GOOD})
        assert page.heading == "Sign in"
        assert page.banners == ["Done Your password has been changed. Sign in with the new one."]
        assert other.get("/").heading == "Sign in"
        assert new_browser().sign_in("olivia-marsh", PASSWORD).status == 422
        assert new_browser().sign_in("olivia-marsh", GOOD).heading == "Your services"
        assert mails_to("olivia.marsh@example.org")[-1] == "Your Tessera password was changed"

    def test_the_link_works_once_and_ends_the_others(self, browser: Browser) -> None:
        self.asked(browser, "olivia.marsh@example.org")
        first = mailed_link("olivia.marsh@example.org")
        self.asked(browser, "olivia.marsh@example.org")
        second = mailed_link("olivia.marsh@example.org")
        browser.get(second)
        browser.press("Save password", {"password": GOOD})
        for link in (first, second):
            assert browser.get(link).status == 410
            assert browser.post(link, {"password": "another fine harmonica"}).status == 410
        assert browser.sign_in("olivia-marsh", GOOD).heading == "Your services"

    def test_the_link_works_for_one_hour(self, browser: Browser, moment: time_machine.Traveller) -> None:
        self.asked(browser, "olivia.marsh@example.org")
        link = mailed_link("olivia.marsh@example.org")
        moment.shift(timedelta(minutes=59, seconds=59))
        assert browser.get(link).status == 200
        moment.shift(timedelta(seconds=1))
        assert browser.press("Save password", {"password": GOOD}).status == 410
        assert "It works for one hour and only once" in browser.page.text
        assert browser.sign_in("olivia-marsh").heading == "Your services"

    def test_opening_the_link_changes_nothing(self, browser: Browser) -> None:
        self.asked(browser, "olivia.marsh@example.org")
        link = mailed_link("olivia.marsh@example.org")
        for method in ("GET", "HEAD"):
            browser.client.open(link, method=method)
        assert browser.client.post(link, data={"password": GOOD}).status_code == 400
        assert browser.sign_in("olivia-marsh").heading == "Your services"

    def test_a_password_that_is_easy_to_guess_is_refused(self, browser: Browser) -> None:
        self.asked(browser, "olivia.marsh@example.org")
        browser.get(mailed_link("olivia.marsh@example.org"))
        page = browser.press("Save password", {"password": "Olivia Marsh 1"})
        assert page.status == 422
        assert page.problems[0].startswith("This password is easy to guess.")
        assert browser.press("Save password", {"password": GOOD}).heading == "Sign in"

    def test_a_link_sent_before_the_account_was_suspended_opens_nothing(self, browser: Browser) -> None:
        self.asked(browser, "olivia.marsh@example.org")
        Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "olivia-marsh").execute()
        browser.get(mailed_link("olivia.marsh@example.org"))
        assert browser.page.status == 410


def test_who_lost_the_invitation_gets_a_new_link(browser: Browser) -> None:
    browser.get("/create-account")
    browser.press("Create account", {"name": "Ben", "address": "ben.castle@example.org"})
    assert mails_to("ben.castle@example.org") == ["Activate your Tessera account"]


def test_forgotten_password_does_not_say_that_a_mail_was_sent_where_none_may_have_been(browser: Browser) -> None:
    browser.get("/forgotten-password")
    page = browser.press("Send the link", {"address": "ben.castle@example.org"})
    assert "We have written to" not in page.text
    assert "If ben.castle@example.org belongs to an active account, we have written to it." in page.text


def test_signing_out_in_a_second_tab_too_is_no_mistake(browser: Browser) -> None:
    browser.sign_in("thomas-reed")
    token = browser.token()
    browser.press("Sign out")
    assert browser.client.post("/sign-out", data={"csrf_token": token}).location == "/sign-in"
