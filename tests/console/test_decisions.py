"""Decisions that programs were given, looked up by the support desk."""

import pytest

from app.audit import decision_log
from app.audit.decision_log import DecisionLog
from app.kernel import clock
from app.vocabulary import Reason
from tests.browsing import Browser

PATH = "/console/decisions"
STEPS = [("state of the actor is “active”", "yes"), ("in force of grant 1 of membership 1 of the actor", "no")]


@pytest.fixture
def sam(browser: Browser) -> Browser:
    """The browser of somebody at the support desk."""
    return browser.signed_in_as("sam-porter")


def given(resource: str = "service:training", subject: str = "person:iris-bell", leaf: int | None = 0) -> str:
    """Return the number of a decision that has been given and kept."""
    log = DecisionLog(steps_of=lambda _policy, _leaf: STEPS)
    number = log.write(
        clock.timestamp(),
        "client:submit-for-assessment",
        7_042,
        (subject, "launch", resource, "northfield", False, Reason.ROLE_ENDED, "0123456789ab", 1_250_000, leaf),
    )
    log.close()
    return number


def test_a_decision_is_found_by_its_number_with_all_that_is_known_of_it(sam: Browser) -> None:
    number = given()
    assert sam.get("/").menu[-2:] == ["Organisations", "Decisions"]
    sam.follow("Decisions")
    page = sam.press("Search", {"number": f" {number} "})
    assert page.address == f"{PATH}?number=+{number}+"
    assert page.title.startswith(f"Decisions ({number})")
    for words in (
        *("No. The last day of the person's role is over.", number, "in 1.250 ms"),
        *("client:submit-for-assessment", "person:iris-bell", "launch", "service:training", "organisation:northfield"),
        *("role_ended", "0123456789ab", "Event 7042"),
        *("State of the actor is “active”: yes", "In force of grant 1 of membership 1 of the actor: no"),
    ):
        assert words in page.text
    assert page.value("number") == number
    current = [link.text for link in page.root.all("a") if link["aria-current"] == "page"]
    assert current == ["Decisions"]


def test_a_decision_names_nobody(sam: Browser) -> None:
    page = sam.get(f"{PATH}?number={given()}")
    assert "Iris" not in page.html
    assert "iris.bell@example.org" not in page.html
    unknown = sam.get(f"{PATH}?number={given(subject='unknown')}")
    assert "unknown, whose name or address is not kept" in unknown.text


def test_a_decision_without_what_was_read_says_so(sam: Browser) -> None:
    assert "This was not kept" in sam.get(f"{PATH}?number={given(leaf=None)}").text


@pytest.mark.parametrize("typed", ["nobody-1", "<b>1</b>", "1' or '1'='1", "x" * 500])
def test_what_is_not_there_is_said(sam: Browser, typed: str) -> None:
    sam.get(PATH)
    page = sam.press("Search", {"number": typed})
    assert page.status == 200
    assert f"There is no decision {typed[:100]}. Check the number. Decisions are kept for 90 days." in page.text


def test_before_a_search_nothing_is_missing(sam: Browser) -> None:
    page = sam.get(PATH)
    assert page.title.startswith("Decisions")
    assert "There is no decision" not in page.text


def test_what_a_program_asked_about_does_not_become_markup(sam: Browser) -> None:
    page = sam.get(f"{PATH}?number={given('service:<img src=x onerror=alert(1)>')}")
    assert "service:<img src=x onerror=alert(1)>" in page.text


def test_an_auditor_reads_decisions(browser: Browser) -> None:
    page = browser.signed_in_as("ruth-adeyemi").get(f"{PATH}?number={given()}")
    assert "Decisions" in page.menu
    assert "role_ended" in page.text


@pytest.mark.parametrize("person", ["olivia-marsh", "thomas-reed", "amara-lewis", "nina-costa", "victor-lind"])
def test_for_everybody_else_there_are_no_decisions(browser: Browser, person: str) -> None:
    page = browser.signed_in_as(person).get("/")
    assert "Decisions" not in page.menu
    assert browser.get(f"{PATH}?number={given()}").status == 404


def test_an_answer_that_a_program_was_just_given_is_found(sam: Browser) -> None:
    answer = sam.client.post(
        "/authorize",
        headers={"Authorization": "Bearer demo-key-submit-for-assessment"},
        json={
            "subject": {"type": "person", "id": "iris-bell"},
            "action": {"name": "launch"},
            "resource": {"type": "service", "id": "submit-for-assessment"},
        },
    )
    decision_log.current().flush()
    page = sam.get(f"{PATH}?number={answer.json['context']['id']}")
    assert "No. The last day of the person's role is over." in page.text
