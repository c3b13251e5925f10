"""Slowing guessers down, from one source and from many."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from app.accounts import throttling
from app.accounts.models import Attempts
from app.accounts.throttling import TooManyAttemptsError, count_mail, count_sign_in, forget_sign_in

pytestmark = pytest.mark.usefixtures("database")


def tries(limit: int, address: str, source: str) -> None:
    """Try `limit` times, which is all allowed, and once more, which is not."""
    for _ in range(limit):
        count_sign_in(address.format(0), source.format(0))
    with pytest.raises(TooManyAttemptsError):
        count_sign_in(address.format(0), source.format(0))


def test_one_address_from_one_place() -> None:
    tries(10, "a@example.org", "192.0.2.1")
    count_sign_in("a@example.org", "192.0.2.2")
    count_sign_in("b@example.org", "192.0.2.1")


def test_one_address_from_many_places() -> None:
    for number in range(60):
        count_sign_in("a@example.org", f"192.0.2.{number}")
    with pytest.raises(TooManyAttemptsError):
        count_sign_in("a@example.org", "192.0.2.99")


def test_many_addresses_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "PER_SOURCE", 5)
    for number in range(5):
        count_sign_in(f"a{number}@example.org", "192.0.2.1")
    with pytest.raises(TooManyAttemptsError):
        count_sign_in("a9@example.org", "192.0.2.1")
    count_sign_in("a9@example.org", "192.0.2.2")


def test_a_sign_in_that_worked_starts_the_count_anew_for_that_place() -> None:
    for _ in range(10):
        count_sign_in("a@example.org", "192.0.2.1")
    forget_sign_in("a@example.org", "192.0.2.1")
    tries(10, "a@example.org", "192.0.2.1")


def test_the_count_ends_with_its_quarter_of_an_hour() -> None:
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as traveller:
        tries(10, "a@example.org", "192.0.2.1")
        traveller.move_to(start + timedelta(minutes=15, seconds=1))
        tries(10, "a@example.org", "192.0.2.1")


def test_mails_to_one_address_are_counted_apart_from_signing_in() -> None:
    for _ in range(5):
        count_mail("a@example.org", "192.0.2.1")
    with pytest.raises(TooManyAttemptsError):
        count_mail("a@example.org", "192.0.2.1")
    count_sign_in("a@example.org", "192.0.2.1")


def test_no_address_is_kept_in_the_counts() -> None:
    count_sign_in("a@example.org", "192.0.2.1")
    assert not [
        row for row in Attempts.select() if "@" in row.key_hash or "192" in row.key_hash[:5] or len(row.key_hash) != 64
    ]
