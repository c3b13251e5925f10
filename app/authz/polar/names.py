"""The two spellings of a type's name: `MarkScheme` in a policy, `mark_scheme` in messages and file names."""

import re

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

LONGEST_KIND = 60
"""How many characters the name of a type may have in messages."""


def wire_name(kind: str) -> str:
    """Return the name that messages use for the type that a policy calls `kind`."""
    return _WORD_START.sub("_", kind).lower()


def policy_name(kind: str) -> str:
    """Return the name that policies use for the type that messages call `kind`."""
    return "".join(word.capitalize() for word in kind.split("_"))
