"""Registered resources in memory, within a number of bytes.

A client decides how large its resources are, and what is small as JSON can take twenty times as much in Python.
"""

from app.authz import facts

_BYTES_LIMIT = 2_000_000
"""Of JSON, for all resources together."""
_OVERHEAD_BYTES = 200


class RecordCache:
    """The resources that were loaded most recently, oldest first, by type (as messages call it) and id.

    It is changed under the lock of its view alone.
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], tuple[facts.Record, int]] = {}
        self._bytes = 0

    def get(self, key: tuple[str, str]) -> facts.Record | None:
        """Return a cached resource, or None."""
        cached = self._records.get(key)
        return None if cached is None else cached[0]

    def put(self, key: tuple[str, str], record: facts.Record, size: int) -> None:
        """Cache a resource whose properties take `size` bytes as JSON; evict the oldest ones for it."""
        self.pop(key)
        size += _OVERHEAD_BYTES
        while self._records and self._bytes + size > _BYTES_LIMIT:
            self.pop(next(iter(self._records)))
        self._records[key] = record, size
        self._bytes += size

    def pop(self, key: tuple[str, str]) -> None:
        """Forget a resource, if it is cached."""
        _record, size = self._records.pop(key, (None, 0))
        self._bytes -= size

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._bytes = 0
