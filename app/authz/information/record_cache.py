"""Registered resources in memory, within a number of bytes.

A client decides how large its resources are, and what is small as JSON can take twenty times as much in Python.
"""

from collections import Counter, defaultdict
from typing import NamedTuple

from app.authz import facts

_BYTES_LIMIT = 2_000_000
"""Of JSON, for all resources together."""
_OVERHEAD_BYTES = 200


class Cached(NamedTuple):
    """A resource with its size, or that none is registered under its name."""

    record: facts.Record | None
    size: int


class RecordCache:
    """The resources that were loaded most recently, oldest first, by type (as messages call it) and id.

    A type belongs to one service. Those of the type that takes most room make room, so no service has those of another
    one forgotten. It is changed under the lock of its view alone.
    """

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Cached]] = defaultdict(dict)
        self._bytes: Counter[str] = Counter()

    def get(self, type_name: str, public_id: str) -> Cached | None:
        """Return what is cached under a name, or None."""
        # Not with brackets: whatever type is asked about would be kept.
        of_type = self._records.get(type_name)
        return None if of_type is None else of_type.get(public_id)

    def put(self, type_name: str, public_id: str, record: facts.Record | None, size: int) -> None:
        """Cache a resource whose properties take `size` bytes as JSON, or that there is none; evict others for it."""
        self.pop(type_name, public_id)
        size += _OVERHEAD_BYTES
        while self._bytes and self._bytes.total() + size > _BYTES_LIMIT:
            ((largest, _bytes),) = self._bytes.most_common(1)
            self.pop(largest, next(iter(self._records[largest])))
        self._records[type_name][public_id] = Cached(record, size)
        self._bytes[type_name] += size

    def pop(self, type_name: str, public_id: str) -> None:
        """Forget a resource, if it is cached."""
        if self.get(type_name, public_id) is None:
            return
        self._bytes[type_name] -= self._records[type_name].pop(public_id).size
        if not self._records[type_name]:
            del self._records[type_name], self._bytes[type_name]

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._bytes.clear()
