"""Which entries of a view were invalidated since a moment: those of the directory, or registered resources of a type.

Programs register resources as often as they like. What reads the view goes again when something was changed that it may
have read; if the resources of every service were that, one of them could keep all others from ever getting an answer.
"""

from collections.abc import Collection, Iterable

DIRECTORY = ""
"""Stands for all entries but registered resources, which are known by their type."""


class Invalidations:
    """Counts the changes that a view has learned of. Threads read it while one notes a change."""

    def __init__(self) -> None:
        self.count = 0
        self._last: dict[str, int] = {}
        """The number of the newest change of each sort."""

    def note(self, sorts: Iterable[str]) -> None:
        """Note a change of some sorts of entries, once they are gone and before any comes in again."""
        for sort in sorts:
            self._last[sort] = self.count + 1
        self.count += 1

    def since(self, count: int, types: Collection[str]) -> bool:
        """Return whether the directory, or resources of these `types`, have changed after that many changes."""
        return any(self._last.get(sort, 0) > count for sort in (DIRECTORY, *types))
