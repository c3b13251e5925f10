"""Journeys of somebody who has a keyboard and no mouse."""

from playwright.sync_api import Page, expect

from tests.browsing import PASSWORD
from tests.journeys.visitor import Visitor


def test_signing_in_and_opening_a_tile_need_only_a_keyboard(visitor: Visitor, page: Page) -> None:
    visitor.goes("/")
    visitor.tabs_to(page.get_by_label("E-mail address"))
    page.keyboard.type("thomas.reed@example.org")
    visitor.tabs_to(page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    visitor.tabs_to(page.get_by_role("link", name="Submit for assessment", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url("**/demo-service/submit-for-assessment")


def test_adding_a_user_needs_only_a_keyboard(visitor: Visitor, page: Page) -> None:
    visitor.has_signed_in("priya.nair@example.org")
    visitor.tabs_to(page.get_by_role("link", name="Users"))
    page.keyboard.press("Enter")
    visitor.tabs_to(page.get_by_role("link", name="Add user(s)"))
    page.keyboard.press("Enter")
    visitor.tabs_to(page.get_by_label("Name", exact=True))
    page.keyboard.type("Nora Quill")
    visitor.tabs_to(page.get_by_label("E-mail address"))
    page.keyboard.type("nora.quill@example.org")
    visitor.tabs_to(visitor.box(page.locator("main"), "Training", "User"))
    page.keyboard.press("Space")
    visitor.tabs_to(page.get_by_role("button", name="Continue"))
    page.keyboard.press("Enter")
    visitor.tabs_to(page.get_by_role("button", name="Save user"))
    assert "Training: User" in visitor.text
    page.keyboard.press("Enter")
    page.get_by_text("Nora Quill has been added and gets an e-mail.").wait_for()


def test_the_enter_key_goes_on_from_the_form_for_adding_users(visitor: Visitor, page: Page) -> None:
    visitor.has_signed_in("priya.nair@example.org")
    visitor.follows("Users")
    visitor.follows("Add user(s)")
    visitor.presses("Add another person")
    page.get_by_label("Name", exact=True).first.press("Enter")
    page.get_by_role("heading", name="There is a problem").wait_for()
    assert "Person 2: Enter a name." in visitor.text


def test_the_first_thing_is_a_way_past_the_menu(visitor: Visitor, page: Page) -> None:
    visitor.has_signed_in("olivia.marsh@example.org")
    skip = page.get_by_role("link", name="Skip to main content")
    page.keyboard.press("Tab")
    assert visitor.has_focus(skip)
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    assert visitor.has_focus(page.locator("main"))
    page.keyboard.press("Tab")
    assert visitor.has_focus(page.locator(".tile a").first)


def test_the_summary_of_errors_takes_the_focus_each_time_and_leads_to_the_fields(visitor: Visitor, page: Page) -> None:
    visitor.goes("/sign-in")
    for _time in range(2):
        visitor.presses("Sign in")
        # The second time, the page before has a summary too: its focus is on the button.
        expect(page.locator(".error-summary")).to_be_focused()
        assert page.title().startswith("Error: ")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_label("E-mail address")).to_be_focused()
