"""Password hashing, verification and strength.

Strength is length and guessability, never composition rules (ASVS 5.0 chapter 6.2, NIST SP 800-63B-4): at least 12
characters, no upper limit that people reach, and nothing that an attacker guesses early, including our own words.
"""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from zxcvbn import zxcvbn

from app.kernel.errors import ProblemError

MIN_LENGTH = 12
MAX_LENGTH = 1000
_SCORED_LENGTH = 72
_MIN_SCORE = 3
_MIN_WORD_LENGTH = 3
_CONTEXT_WORDS = ("tessera", "exam", "exams", "school", "college", "board", "officer", "teacher", "portal", "cambridge")

hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the hash under which `password` is stored."""
    return hasher.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Return whether `password` belongs to `password_hash`.

    An empty hash (no such person, or not activated) takes as long as a wrong password: no timing side channel.
    """
    try:
        return hasher.verify(password_hash or _dummy_hash(), password) and password_hash != ""
    except (Argon2Error, InvalidHashError):
        return False


def check_choice(password: str, *personal: str) -> None:
    """Raise `ProblemError` if `password` is too weak to be chosen.

    `personal` are words that an acquaintance would try, such as the person's name and address.
    """
    if len(password) < MIN_LENGTH:
        raise ProblemError(f"Your password must be at least {MIN_LENGTH} characters long.", field="password")
    if len(password) > MAX_LENGTH:
        raise ProblemError(f"Your password must be at most {MAX_LENGTH} characters long.", field="password")
    # zxcvbn takes time that grows with the square of the length, and a password this long is strong enough.
    rest = _without(_guessable_words(personal), password[:_SCORED_LENGTH])
    if not rest or zxcvbn(rest)["score"] < _MIN_SCORE:
        raise ProblemError(
            "This password is easy to guess. Three words that do not belong together are hard to guess.",
            field="password",
        )


def _guessable_words(personal: tuple[str, ...]) -> list[str]:
    """Return the words that an attacker who knows the person and the portal tries first, longest first."""
    parts = (part for text in personal for part in (text, *text.replace("@", " ").replace(".", " ").split()))
    return sorted({word.lower() for word in (*parts, *_CONTEXT_WORDS) if len(word) >= _MIN_WORD_LENGTH}, key=len)[::-1]


def _without(words: list[str], password: str) -> str:
    rest = password.lower()
    for word in words:
        rest = rest.replace(word, "")
    return rest


@cache
def _dummy_hash() -> str:
    return hasher.hash("nobody has this password")
