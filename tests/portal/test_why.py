"""Why can I open this, or why not? What people are told about their own tiles."""

import re

import pytest

from app.memberships.models import Grant, Membership
from app.services.models import Service
from app.vocabulary import ServiceState
from tests.browsing import Browser

pytestmark = pytest.mark.one_database


def officers(browser: Browser) -> list[str]:
    return [item.text for one in browser.page.with_class("officers") for item in one.all("li")]


def test_a_closed_door_leads_to_everything_that_was_looked_at(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed").get("/open/exam-entries")
    page = browser.follow("See everything that we looked at")
    assert page.status == 200
    assert page.heading == "Why can you not open Exam entries?"
    assert "Any one of these is enough:" in page.text
    assert (
        "The role Exam entries: User is given at Northfield Academy. "
        "An exams officer of Northfield Academy can do this." in page.text
    )
    assert (
        "The role Exam entries: Late entries is given at Northfield Academy. "
        "No exams officer can do this. The support desk can tell you more." in page.text
    )
    assert "The account is active." in page.text
    assert officers(browser) == ["Daniel Okafor, daniel.okafor@example.org", "Olivia Marsh, olivia.marsh@example.org"]


def test_the_account_leads_to_why_for_every_service_that_is_offered(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed").get("/account")
    for service in Service.select():
        offered = service.state == ServiceState.LIVE
        assert (service.name in browser.page.links) == offered
        assert browser.client.get(f"/open/{service.slug}/why").status_code == (200 if offered else 404)
    page = browser.follow("Training")
    assert page.heading == "Why can you open Training?"
    assert re.search(r"The role Training: User at Northfield Academy counts\. It was given on", page.text)


@pytest.mark.parametrize(
    ("person", "slug", "sentences"),
    [
        (
            "iris-bell",
            "submit-for-assessment",
            [
                "gets a later last day, or none.",
                "The role Submit for assessment: Exams officer at Northfield Academy ended",
            ],
        ),
        ("owen-price", "teaching-resources", ["gets an earlier first day.", "Teacher at Northfield Academy starts on"]),
        (
            "yusuf-demir",
            "submit-for-assessment",
            ["The account is reactivated at Northfield Academy.", "Access at Northfield Academy is suspended."],
        ),
        (
            "leila-haddad",
            "submit-for-assessment",
            [
                "Eastgate School becomes active again.",
                "Eastgate School is suspended.",
                "Our support desk can tell you more",
            ],
        ),
        (
            "helen-frost",
            "training",
            [
                "The account is added to the users of a school or college.",
                "The account belongs to no school or college.",
                "Our support desk can tell you more",
            ],
        ),
    ],
)
def test_everybody_is_told_what_is_missing_for_them(
    browser: Browser, person: str, slug: str, sentences: list[str]
) -> None:
    page = browser.signed_in_as(person).get(f"/open/{slug}/why")
    for sentence in sentences:
        assert sentence in page.text


def test_an_officer_is_told_who_else_can_give_it_or_that_there_is_nobody(browser: Browser) -> None:
    page = browser.signed_in_as("priya-nair").get("/open/training/why")
    assert "This exams officer of Westbrook College can change yours:" in page.text
    assert officers(browser) == ["Amara Lewis, amara.lewis@example.org"]
    Grant.delete().where(Grant.membership == Membership.get(Membership.public_id == "amara-lewis@westbrook")).execute()
    page = browser.get("/open/training/why")
    assert "Westbrook College has no second exams officer. You can add one." in page.text
    assert page.links["You can add one"] == "/organisations/westbrook/users/add"


def test_who_has_two_organisations_is_told_about_the_chosen_one(browser: Browser) -> None:
    browser.signed_in_as("amara-lewis").get("/open/teaching-resources/why")
    page = browser.press("Continue", {"organisation": "northfield"})
    assert page.heading == "Why can you not open Teaching resources?"
    assert "is given at Northfield Academy." in page.text
    assert "is given at Westbrook College." not in page.text
    browser.follow("Change organisation")
    browser.press("Continue", {"organisation": "westbrook"})
    assert browser.get("/open/teaching-resources/why").heading == "Why can you open Teaching resources?"


def test_who_is_not_signed_in_is_asked_to(browser: Browser) -> None:
    assert browser.get("/open/training/why").heading == "Sign in"


def test_no_word_of_the_machine_is_on_a_page(browser: Browser) -> None:
    for person in ("thomas-reed", "iris-bell", "helen-frost", "sam-porter", "leila-haddad"):
        browser.signed_in_as(person)
        for slug in ("training", "submit-for-assessment"):
            text = browser.get(f"/open/{slug}/why").text
            assert not re.search(r"[Pp]olar|_|<|>|\bactor\b|None|@northfield", text), text
