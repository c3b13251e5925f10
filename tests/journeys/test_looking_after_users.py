"""Journeys of an exams officer with somebody who leaves for a while, comes back, and leaves for good."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys.portal import Portal
from tests.journeys.visitor import Visitor


def test_suspending_reactivating_and_removing_count_at_once(
    visit: Callable[[Portal], Visitor], cast_portal: Portal
) -> None:
    officer, iris = visit(cast_portal), visit(cast_portal)
    officer.has_signed_in("olivia.marsh@example.org")
    officer.follows("Users")
    officer.follows("View Iris Bell")
    iris.has_signed_in("iris.bell@example.org")
    assert iris.tiles == ["Training"]

    officer.follows("Suspend")
    assert officer.heading == "Suspend Iris Bell?"
    officer.follows("No, go back")
    iris.goes("/")
    assert iris.tiles == ["Training"]

    officer.follows("Suspend")
    officer.presses("Suspend")
    assert "Iris Bell has been suspended." in officer.text
    assert iris.goes("/open/training") == 403
    assert "Your access at Northfield Academy is suspended at the moment." in iris.text
    iris.goes("/")
    assert iris.tiles == []

    officer.presses("Reactivate")
    assert "Iris Bell has been reactivated" in officer.text
    iris.goes("/")
    iris.follows("Training")
    assert iris.path == "/demo-service/training"

    officer.follows("Remove")
    assert officer.heading == "Remove Iris Bell from Northfield Academy?"
    officer.presses("Remove")
    assert "Iris Bell has been removed from your organisation." in officer.text
    expect(officer.page.get_by_role("row").filter(has_text="Iris Bell")).to_have_count(0)
    assert iris.goes("/open/training") == 403
    assert "does not belong to a school or college" in iris.text


def test_a_search_that_finds_nobody_says_so_and_leads_back(visitor: Visitor) -> None:
    visitor.has_signed_in("olivia.marsh@example.org")
    visitor.follows("Users")
    visitor.page.get_by_label("Find by name or e-mail address").fill("Zebedee")
    visitor.presses("Search")
    assert "Nobody matches “Zebedee”" in visitor.text
    visitor.follows("Show all users")
    expect(visitor.page.get_by_role("row").filter(has_text="Thomas Reed")).to_be_visible()
