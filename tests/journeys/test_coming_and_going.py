"""Journeys through the door: passwords forgotten, organisations chosen, and computers left to others."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from tests.browsing import PASSWORD
from tests.journeys.portal import Portal
from tests.journeys.visitor import Visitor


def test_a_forgotten_password_is_replaced_by_mail(visitor: Visitor, page: Page) -> None:
    visitor.goes("/sign-in")
    visitor.follows("I have forgotten my password")
    page.get_by_label("E-mail address").fill("daniel.okafor@example.org")
    visitor.presses("Send the link")
    assert "If daniel.okafor@example.org belongs to an active account, we have written to it." in visitor.text

    visitor.opens_mail("daniel.okafor@example.org", "Choose a new Tessera password")
    link = visitor.path
    page.get_by_label("Password").fill("password1234")
    visitor.presses("Save password")
    page.get_by_role("heading", name="There is a problem").wait_for()
    page.get_by_label("Password").fill("seven quiet lanterns")
    visitor.presses("Save password")
    assert "Your password has been changed." in visitor.text

    visitor.signs_in("daniel.okafor@example.org")
    assert "do not belong together" in visitor.text
    visitor.signs_in("daniel.okafor@example.org", "seven quiet lanterns")
    assert visitor.heading == "Your services"
    assert visitor.goes(link) == 410


def test_somebody_at_two_organisations_chooses_and_sees_which(visitor: Visitor, page: Page) -> None:
    visitor.signs_in("amara.lewis@example.org")
    assert visitor.heading == "Which organisation are you working for?"
    visitor.presses("Continue")
    assert "Choose one of your organisations." in visitor.text

    page.get_by_label("Westbrook College").check()
    visitor.presses("Continue")
    banner, users = page.get_by_role("banner"), page.get_by_role("link", name="Users")
    expect(banner).to_contain_text("Westbrook College")
    assert visitor.tiles == ["Teaching resources"]
    users.click()
    expect(banner).to_contain_text("Westbrook College")

    visitor.follows("Change organisation")
    page.get_by_label("Northfield Academy").check()
    visitor.presses("Continue")
    expect(banner).to_contain_text("Northfield Academy")
    assert visitor.tiles == ["PE submissions", "Submit for assessment"]
    expect(users).to_have_count(0)


def test_the_direct_door_to_a_service_leads_through_sign_in_and_the_choice(visitor: Visitor, page: Page) -> None:
    visitor.goes("/open/pe-submissions")
    assert visitor.heading == "Sign in"
    visitor.signs_in("amara.lewis@example.org")
    page.get_by_label("Northfield Academy").check()
    visitor.presses("Continue")
    assert visitor.path == "/demo-service/pe-submissions"


def test_the_back_button_shows_nothing_of_whoever_signed_out(
    cast_portal: Portal, visit: Callable[..., Visitor], whole_chromium: Browser
) -> None:
    # Without windows, Chromium keeps no pages for its back button.
    visitor = visit(cast_portal, whole_chromium)
    visitor.has_signed_in("olivia.marsh@example.org")
    visitor.follows("Users")
    visitor.presses("Sign out")
    assert "You have signed out." in visitor.text
    for _step in range(2):
        visitor.page.go_back()
        assert visitor.heading == "Sign in"
        assert "Olivia" not in visitor.page.content()


def test_who_comes_back_too_late_signs_in_and_goes_on_with_what_was_typed(visitor: Visitor, page: Page) -> None:
    visitor.has_signed_in("iris.bell@example.org")
    visitor.goes("/account/name")
    page.get_by_label("Your name").fill("Iris Bellamy")
    visitor.portal.leaves_alone_for_hours("iris-bell")
    visitor.presses("Save name")
    assert visitor.heading == "Sign in"
    page.get_by_label("E-mail address").fill("iris.bell@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    visitor.presses("Sign in")
    assert visitor.heading == "You are signed in again"
    visitor.presses("Go on")
    assert "Iris Bellamy" in visitor.text
    visitor.goes("/account/name")
    page.get_by_label("Your name").fill("Iris Bell")
    visitor.presses("Save name")


def test_an_invitation_opened_where_a_colleague_is_signed_in_says_so(
    visit: Callable[[Portal], Visitor], cast_portal: Portal
) -> None:
    officer = visit(cast_portal)
    officer.has_signed_in("olivia.marsh@example.org")
    officer.follows("Users")
    officer.follows("View Ben Castle")
    officer.presses("Send the invitation again")
    officer.opens_mail("ben.castle@example.org", "Activate your Tessera account")
    assert "Olivia Marsh is signed in on this browser." in officer.text
    officer.page.get_by_label("Password").fill("seven quiet lanterns")
    officer.presses("Activate account")
    expect(officer.page.get_by_role("banner")).to_contain_text("Ben Castle")
