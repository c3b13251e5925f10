"""Lines of text that people give: names, reasons and whatever else stands in one field.

Hidden characters could make a text look like another one, or turn the line around that it stands in.
"""

_JOINERS = "\u200c\u200d"
"""Seen by nobody, and part of names in Persian and Sinhala."""


def without_hidden(text: str) -> str:
    """Return `text` without the characters that nobody sees."""
    return "".join(character for character in text if character.isprintable() or character in _JOINERS)


def is_plain_line(text: str) -> bool:
    """Return whether `text` is one line with something to see and nothing hidden."""
    return text.strip(f"{_JOINERS} ") != "" and without_hidden(text) == text
