"""Machines whose clocks differ, and clocks that jump: nobody is signed out, locked out or let in for longer by that."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.accounts.models import Person, Session
from app.accounts.operations import RESET_LASTS, ask_password_reset
from app.accounts.queries import SESSION_IDLE, SESSION_LONGEST
from app.accounts.throttling import PER_ADDRESS_AND_SOURCE
from app.kernel import clock
from tests.browsing import Browser, mailed_link

MOMENT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
THOMAS = "thomas-reed"
ADDRESS = "thomas.reed@example.org"


@pytest.mark.parametrize("skew", [timedelta(minutes=1), -timedelta(minutes=1), timedelta(seconds=1)])
def test_machines_whose_clocks_differ_serve_one_session(browser: Browser, skew: timedelta) -> None:
    with time_machine.travel(MOMENT, tick=False) as traveller:
        browser.sign_in(THOMAS)
        for number in range(4):
            traveller.shift(skew if number % 2 else -skew)
            assert browser.get("/account/name").status == 200
            traveller.shift(-skew if number % 2 else skew)
            page = browser.press("Save name", {"name": f"Thomas {number}"})
            assert page.address == "/account"
    assert Person.get(Person.public_id == THOMAS).name == "Thomas 3"


@pytest.mark.parametrize("jump", [timedelta(days=2), -timedelta(days=2)])
def test_a_clock_that_jumps_signs_nobody_out(browser: Browser, jump: timedelta) -> None:
    with time_machine.travel(MOMENT, tick=False) as traveller:
        browser.sign_in(THOMAS)
        traveller.shift(jump)
        browser.get("/")
        traveller.shift(-jump)
        assert browser.get("/").address == "/"


def test_a_session_from_the_future_ends_in_time(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(MOMENT + timedelta(days=2), tick=False) as traveller:
        browser.sign_in(THOMAS)
        traveller.move_to(MOMENT)
        # Not on the word of one reading, but once the clock has been steady for a while.
        assert browser.get("/").address == "/"
        assert Session.get().started_at > MOMENT
        monkeypatch.setattr(clock, "is_steady", lambda: True)
        assert browser.get("/").address == "/"
        traveller.shift(SESSION_IDLE + timedelta(minutes=1))
        assert browser.get("/").address.startswith("/sign-in")
        browser.sign_in(THOMAS)
        Session.update(started_at=MOMENT + timedelta(days=9)).execute()
        for _ in range(SESSION_LONGEST // SESSION_IDLE * 2):
            browser.get("/")
            traveller.shift(SESSION_IDLE / 2)
        assert browser.get("/").address == "/"
        traveller.shift(SESSION_IDLE / 2)
        assert browser.get("/").address.startswith("/sign-in")


def test_a_clock_that_was_ahead_locks_nobody_out(browser: Browser) -> None:
    with time_machine.travel(MOMENT + timedelta(days=2), tick=False) as traveller:
        for _ in range(PER_ADDRESS_AND_SOURCE + 1):
            browser.sign_in(THOMAS, "wrong")
        traveller.move_to(MOMENT)
        assert browser.sign_in(THOMAS).address == "/"


def test_a_link_from_a_clock_that_was_ahead_does_not_work_for_longer(browser: Browser) -> None:
    with time_machine.travel(MOMENT + timedelta(days=2), tick=False) as traveller:
        ask_password_reset(ADDRESS)
        link = mailed_link(ADDRESS)
        assert browser.get(link).status == 200
        traveller.move_to(MOMENT + RESET_LASTS * 2)
        assert browser.get(link).status == 410
