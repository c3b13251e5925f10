"""Passwords: long and hard to guess, and nothing else is asked of them."""

import importlib.util

import pytest

from app.accounts import passwords
from app.accounts.passwords import check_choice, hash_password, matches
from app.kernel.errors import ProblemError


def test_a_password_matches_its_own_hash_only() -> None:
    stored = hash_password("violet tractor harmonica")
    assert matches(stored, "violet tractor harmonica")
    assert not matches(stored, "violet tractor harmonicA")
    assert not matches(stored, "violet tractor harmonica ")
    assert stored != hash_password("violet tractor harmonica")


@pytest.mark.parametrize("stored", ["", "nonsense", "$argon2id$"])
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    for password in ("", "nobody has this password", stored):
        assert not matches(stored, password)


def test_a_stored_password_is_slow_to_guess() -> None:
    # The module once more: its hasher is made cheap for the tests.
    spec = importlib.util.spec_from_file_location("passwords_as_shipped", str(passwords.__file__))
    assert spec is not None
    assert spec.loader is not None
    shipped = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shipped)
    assert (shipped.hasher.memory_cost, shipped.hasher.time_cost) >= (65536, 3)


@pytest.mark.parametrize(
    "password",
    [
        "violet tractor harmonica",
        "red fish boat",
        "ein langer deutscher Satz über Boote",
        "correct horse school tiles",  # a word of the place may be part of a good one
        "Kp4!vq9Zw2#t",
    ],
)
def test_a_good_password_is_taken(password: str) -> None:
    check_choice(password, "Ben Castle", "ben.castle@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "123456789012",
        "passwordpassword",
        "qwertyuiop12",
        "iloveyou1234",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabc",
        "Ben Castle 1",
        "castlecastle",
        "BEN.CASTLE@EXAMPLE.ORG",
        "tesseratessera",
        "exams officer 1",
        "tessera portal",
    ],
)
def test_what_a_guesser_tries_early_is_refused(password: str) -> None:
    with pytest.raises(ProblemError, match="easy to guess") as caught:
        check_choice(password, "Ben Castle", "ben.castle@example.org")
    assert caught.value.field == "password"
    assert password not in str(caught.value)


@pytest.mark.parametrize(("length", "fine"), [(11, False), (12, True), (1000, True), (1001, False)])
def test_length_has_limits_that_nobody_meets_by_accident(length: int, fine: bool) -> None:
    password = ("violet tractor harmonica under seven old bridges " * 30)[:length]
    if fine:
        check_choice(password)
    else:
        with pytest.raises(ProblemError, match="characters long"):
            check_choice(password)
