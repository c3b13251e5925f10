"""Why can they open this, or why not? What an exams officer is told, and about whom."""

import re

import pytest

from app.accounts.models import Person
from app.memberships.models import Grant
from app.services.models import Service
from app.vocabulary import ServiceState
from tests.browsing import Browser
from tests.manage.northfield import DANIEL, OLIVIA, THOMAS, USERS, NewBrowser, membership, ticked_roles, ticks

pytestmark = pytest.mark.one_database

AMARA = f"{USERS}/amara-lewis@northfield"
YUSUF = f"{USERS}/yusuf-demir@northfield"


def test_the_page_of_a_user_says_what_opens_and_leads_to_why(olivia: Browser) -> None:
    page = olivia.get(THOMAS)
    items = [item for one in page.with_class("others") for item in one.all("li")]
    listed = {item.all("strong")[0].text: item.all("span")[0].text for item in items}
    assert {name for name, state in listed.items() if state == "Open"} == {
        "Submit for assessment",
        "Teaching resources",
        "Training",
    }
    assert set(listed) == {row.name for row in Service.select() if row.state == ServiceState.LIVE}
    page = olivia.follow("Why can they open this? Training")
    assert page.heading == "Why can Thomas Reed open Training?"
    olivia.get(THOMAS)
    page = olivia.follow("Why can they not open this? Exam entries")
    assert page.heading == "Why can Thomas Reed not open Exam entries?"


def test_a_yes_says_what_lets_it_open_and_who_gave_it(olivia: Browser) -> None:
    Grant.update(given_by=Person.get(Person.public_id == "daniel-okafor")).where(
        Grant.membership == membership("thomas-reed@northfield")
    ).execute()
    page = olivia.get(f"{THOMAS}/why/training")
    assert page.status == 200
    assert re.search(
        r"The role Training: User at Northfield Academy counts\. Daniel Okafor gave it on \d+ \w+ \d{4}\.", page.text
    )
    assert "What would open it" not in page.text
    assert re.search(r"Rules that were used: main, line \d+; .*service, line \d+", page.text)


def test_a_no_says_what_would_open_it_and_that_it_really_does(olivia: Browser) -> None:
    page = olivia.get(f"{THOMAS}/why/access-to-scripts")
    assert (
        "The role Access to scripts: Exams officer is given at Northfield Academy. "
        "An exams officer of Northfield Academy can do this." in page.text
    )
    olivia.follow("the page of Thomas Reed")
    olivia.press("Save changes", ticks(olivia.page, [*ticked_roles(olivia.page), "access-to-scripts:exams-officer"]))
    page = olivia.get(f"{THOMAS}/why/access-to-scripts")
    assert page.heading == "Why can Thomas Reed open Access to scripts?"
    assert "Olivia Marsh gave it on" in page.text


def test_what_is_needed_together_is_told_together(olivia: Browser) -> None:
    page = olivia.get(f"{YUSUF}/why/training")
    assert "All of this together:" in page.text
    olivia.get(YUSUF)
    olivia.press("Reactivate")
    assert "All of this together:" not in olivia.get(f"{YUSUF}/why/training").text


def test_an_officer_reads_why_about_themselves_but_is_sent_to_a_second_one(olivia: Browser) -> None:
    page = olivia.get(f"{OLIVIA}/why/training")
    assert page.heading == "Why can you not open Training?"
    assert "Nobody can change their own access. This exams officer of Northfield Academy can change yours:" in page.text
    assert "Daniel Okafor, daniel.okafor@example.org" in page.text
    assert "the page of Olivia Marsh" not in page.links


def test_an_officer_without_a_second_one_is_told_to_add_one(olivia: Browser) -> None:
    Grant.delete().where(Grant.membership == membership("daniel-okafor@northfield")).execute()
    for address in (f"{OLIVIA}/why/training", OLIVIA):
        page = olivia.get(address)
        assert "Northfield Academy has no second exams officer. You can add one." in page.text
        assert page.links["You can add one"] == f"{USERS}/add"


def test_nothing_of_another_school_is_told(olivia: Browser) -> None:
    for service in Service.select().where(Service.state == ServiceState.LIVE):
        page = olivia.get(f"{AMARA}/why/{service.slug}")
        assert page.status == 200
        assert "Westbrook" not in page.html
        assert "Priya" not in page.html
    # What she may use there does not let her in here.
    assert olivia.get(f"{AMARA}/why/teaching-resources").heading == "Why can Amara Lewis not open Teaching resources?"


@pytest.mark.parametrize(
    ("person", "path"),
    [
        ("priya-nair", f"{THOMAS}/why/training"),
        ("thomas-reed", f"{THOMAS}/why/training"),
        ("amara-lewis", f"{AMARA}/why/training"),
        ("iris-bell", f"{THOMAS}/why/training"),
        ("sam-porter", f"{THOMAS}/why/training"),
        ("olivia-marsh", "/organisations/westbrook/users/amara-lewis@westbrook/why/training"),
        ("olivia-marsh", f"{USERS}/amara-lewis@westbrook/why/training"),
        ("olivia-marsh", f"{USERS}/martin-shaw@northfield/why/training"),
        ("olivia-marsh", f"{THOMAS}/why/nothing"),
        # A service that is hidden or retired does not exist, whoever has a role for it.
        ("olivia-marsh", f"{OLIVIA}/why/online-moderation"),
        ("olivia-marsh", f"{THOMAS}/why/results-by-post"),
    ],
)
def test_who_may_not_read_it_finds_nothing(new_browser: NewBrowser, person: str, path: str) -> None:
    assert new_browser().signed_in_as(person).get(path).status == 404


def test_no_word_of_the_machine_is_on_a_page(olivia: Browser) -> None:
    for address in (THOMAS, DANIEL, YUSUF, AMARA):
        for slug in ("training", "submit-for-assessment", "exam-entries"):
            text = olivia.get(f"{address}/why/{slug}").text
            assert not re.search(r"[Pp]olar|_|<|>|\bactor\b|None|@northfield", text), text
