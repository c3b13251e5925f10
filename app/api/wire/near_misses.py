"""Finds slips in the names of our own members.

AuthZEN ignores what it does not name, and so do we; but a member of ours that is misspelt would be ignored, too, and a
question about one organisation would become one about any.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache

from app.api.errors import InvalidRequestError

OPTIONS = frozenset({"at_least_revision", "evaluations_semantic"})
ORGANISATION = frozenset({"organisation"})
TOP = frozenset({"explain", "options", "evaluations"})

_AUTHZEN = frozenset({"subject", "action", "resource", "context", "page"})
_LIKENESS = 0.75


def check_names(names: Iterable[str], ours: Collection[str], within: str = "") -> None:
    """Raise `InvalidRequestError` for a name that is nearly one of `ours`, where that one is not among `names`."""
    sent = frozenset(names)
    for name in sent - _AUTHZEN if within == "" else sent:
        meant = _nearly(name, frozenset(ours))
        if meant is not None and meant not in sent:
            raise InvalidRequestError(f"{within}{name} is not known here: is {within}{meant} meant?")


@lru_cache(maxsize=1_000)
def _nearly(name: str, ours: frozenset[str]) -> str | None:
    if name in ours or len(name) > 2 * max(map(len, ours)):
        return None
    found = get_close_matches(name.lower(), sorted(ours), 1, _LIKENESS)
    return found[0] if found else None
