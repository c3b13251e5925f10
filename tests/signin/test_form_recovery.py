"""What was typed when a session ran out: it comes back to the one who typed it, and to nobody else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.accounts.models import EmailAddress, Person
from app.accounts.queries import SESSION_IDLE
from app.memberships.models import Membership
from app.vocabulary import MembershipState
from tests.browsing import PASSWORD, Browser, Page
from tests.manage.northfield import ticks

USERS = "/organisations/northfield/users"
NORA = {
    "people-0-name": "Nora Field",
    "people-0-address": "nora.field@example.org",
    "people-0-roles": ["training:user"],
}
NOTE = "Please note To keep you safe, you were signed out. Sign in again: what you typed is not lost."


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC), tick=False) as travelling:
        yield travelling


@pytest.fixture
def olivia(browser: Browser, clock: time_machine.Traveller) -> Browser:
    return browser.signed_in_as("olivia-marsh")


def again(browser: Browser, name: str = "olivia.marsh", password: str = PASSWORD) -> Page:
    return browser.press("Sign in", {"address": f"{name}@example.org", "password": password})


def added() -> int:
    return EmailAddress.select().where(EmailAddress.address == "nora.field@example.org").count()


def test_a_form_that_took_too_long_goes_on_after_signing_in(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/add")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    page = olivia.press("Continue", NORA)
    assert (page.heading, page.banners) == ("Sign in", [NOTE])
    page = again(olivia)
    assert (page.status, page.heading) == (200, "You are signed in again")
    page = olivia.press("Go on")
    assert (page.heading, page.address) == ("Check before saving", f"{USERS}/add")
    assert "Training: User" in page.text
    assert added() == 0
    olivia.press("Save user")
    assert added() == 1


def test_a_wrong_password_in_between_loses_nothing(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/add")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    olivia.press("Continue", NORA)
    page = again(olivia, password="wrong")
    assert (page.status, page.banners) == (422, [NOTE])
    again(olivia)
    assert "Nora Field" in olivia.press("Go on").text


def test_nothing_is_done_before_the_button(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/thomas-reed@northfield")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    olivia.press("Save changes", {"reason": "Left the department", **ticks(olivia.page, [])})
    again(olivia)
    thomas = Membership.get(Membership.public_id == "thomas-reed@northfield")
    assert thomas.grants.count() > 0
    page = olivia.press("Go on")
    assert page.banners == ["Done The changes for Thomas Reed have been saved."]


def test_somebody_else_who_signs_in_sees_nothing_of_it(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/add")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    olivia.press("Continue", NORA)
    page = again(olivia, "daniel.okafor")
    assert page.address == f"{USERS}/add"
    assert "Nora" not in page.html


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=1, seconds=1)])
def test_what_is_kept_is_good_for_an_hour(olivia: Browser, clock: time_machine.Traveller, later: timedelta) -> None:
    olivia.get(f"{USERS}/add")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    olivia.press("Continue", NORA)
    clock.shift(later)
    assert again(olivia).heading == ("Add user(s)" if later else "You are signed in again")


def test_what_we_did_not_write_down_ourselves_is_not_taken(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/add")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    kept = olivia.press("Continue", NORA).value("kept")
    for wrong in (kept[:-1], kept + "x", "x", "A" * 300):
        page = olivia.press("Sign in", {"address": "olivia.marsh@example.org", "password": "wrong", "kept": wrong})
    page = olivia.press("Sign in", {"address": "olivia.marsh@example.org", "password": PASSWORD, "kept": kept[:-1]})
    assert page.heading == "Add user(s)"


def test_passwords_are_never_kept(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get("/account/password")
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    page = olivia.press("Save password", {"current_password": PASSWORD, "password": "violet tractor harmonica"})
    assert (page.address, page.heading, page.banners) == ("/sign-in?next=/account/password", "Sign in", [])
    assert again(olivia).address == "/account/password"


def test_a_question_is_put_again(olivia: Browser, clock: time_machine.Traveller) -> None:
    olivia.get(f"{USERS}/thomas-reed@northfield")
    olivia.follow("Remove")
    here = olivia.page.address
    clock.shift(SESSION_IDLE + timedelta(minutes=1))
    olivia.press("Remove")
    assert again(olivia).address == here
    assert Membership.get(Membership.public_id == "thomas-reed@northfield").state == MembershipState.ACTIVE


def test_whoever_was_never_signed_in_has_nothing_kept(browser: Browser) -> None:
    page = browser.post("/organisations/northfield/users/add", NORA)
    assert (page.heading, page.banners) == ("Sign in", [])
    assert Person.select().where(Person.name == "Nora Field").count() == 0
