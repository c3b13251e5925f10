"""Passwords: how they are stored, compared and judged.

Length and guessing, never composition rules (ASVS 5.0 chapter 6.2, NIST SP 800-63B-4): at least 12 characters, no
upper limit that a person would meet, and nothing that a guesser tries early, which includes the words of this place.
"""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from zxcvbn import zxcvbn

from app.kernel.errors import ProblemError

MIN_LENGTH = 12
MAX_LENGTH = 1000
_JUDGED_LENGTH = 72
_LEAST_SCORE = 3
_SHORTEST_WORD = 3
_CONTEXT_WORDS = ("tessera", "exam", "exams", "school", "college", "board", "officer", "teacher", "portal", "cambridge")

hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the form in which `password` is stored."""
    return hasher.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Return whether `password` belongs to `password_hash`.

    An empty hash (no such person, or not activated) takes as long as a wrong password, so that time tells nothing.
    """
    try:
        return hasher.verify(password_hash or _nobodys_hash(), password) and password_hash != ""
    except (Argon2Error, InvalidHashError):
        return False


def check_choice(password: str, *personal: str) -> None:
    """Accept `password` as a new one, or raise `ProblemError` saying what to choose instead.

    `personal` are words that an acquaintance would try: names, addresses.
    """
    if len(password) < MIN_LENGTH:
        raise ProblemError(f"Your password must be at least {MIN_LENGTH} characters long.", field="password")
    if len(password) > MAX_LENGTH:
        raise ProblemError(f"Your password must be at most {MAX_LENGTH} characters long.", field="password")
    # Guessing effort grows with the square of the length, and what is long enough here is good enough.
    rest = _without(_near_words(personal), password[:_JUDGED_LENGTH])
    if not rest or zxcvbn(rest)["score"] < _LEAST_SCORE:
        raise ProblemError(
            "This password is easy to guess. Three words that do not belong together are hard to guess.",
            field="password",
        )


def _near_words(personal: tuple[str, ...]) -> list[str]:
    """Return the words that a guesser who knows person and place begins with, longest first."""
    parts = (part for text in personal for part in (text, *text.replace("@", " ").replace(".", " ").split()))
    return sorted({word.lower() for word in (*parts, *_CONTEXT_WORDS) if len(word) >= _SHORTEST_WORD}, key=len)[::-1]


def _without(words: list[str], password: str) -> str:
    rest = password.lower()
    for word in words:
        rest = rest.replace(word, "")
    return rest


@cache
def _nobodys_hash() -> str:
    return hasher.hash("nobody has this password")
