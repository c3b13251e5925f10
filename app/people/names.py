"""Names of people: how they are written."""

from app.kernel.errors import ProblemError

LONGEST_NAME = 120
_JOINERS = "\u200c\u200d"
"""Seen by nobody, and part of names in Persian and Sinhala."""


def normal_name(text: str) -> str:
    """Return `text` as a name, with single spaces. Raises `ProblemError` when it is none.

    Hidden characters could make a name look like another one, or turn the line around that it stands in.
    """
    name = " ".join(text.split())
    if not name:
        raise ProblemError("Enter a name.", field="name")
    if len(name) > LONGEST_NAME:
        raise ProblemError(f"A name has at most {LONGEST_NAME} characters here.", field="name")
    if not all(character.isprintable() or character in _JOINERS for character in name):
        raise ProblemError("This name holds hidden characters. Type it instead of pasting it.", field="name")
    return name
