"""How a kind of thing is called: `MarkScheme` in a policy, `mark_scheme` in messages and file names."""

import re
from functools import lru_cache

from app.authz.engine.engine import Engine
from app.authz.facts import Record

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


LONGEST_KIND = 60
"""In characters, as messages write it."""


def wire_name(kind: str) -> str:
    """Return the name that messages use for a kind of a policy."""
    return _WORD_BEGINS.sub("_", kind).lower()


def policy_name(kind: str) -> str:
    """Return the name that policies use for a kind of a message."""
    return "".join(word.capitalize() for word in kind.split("_"))


@lru_cache(maxsize=8)
def declared_kinds(engine: Engine) -> dict[str, type[Record]]:
    """Return the kinds of thing that only the policy of `engine` declares, by the name that messages use."""
    return {
        wire_name(name): kind
        for name, kind in engine.kinds.items()
        if issubclass(kind, Record) and name in engine.permissions
    }
