"""Single lines of text that people type: names, reasons and other fields.

Hidden characters could make a text look like another one, or reverse the line that it is part of.
"""

_JOINERS = "\u200c\u200d"
"""Invisible, and part of names in Persian and Sinhala."""


def without_hidden(text: str) -> str:
    """Return `text` without invisible characters."""
    return "".join(character for character in text if character.isprintable() or character in _JOINERS)


def is_plain_line(text: str) -> bool:
    """Return whether `text` is one line with something to see and nothing hidden."""
    return text.strip(f"{_JOINERS} ") != "" and without_hidden(text) == text
