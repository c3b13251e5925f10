"""When a view has to read what has changed, and how long it counts while the database is away."""

from collections.abc import Callable
from math import ceil, inf
from threading import Lock
from time import monotonic

from app.kernel.change_feed import PostgresqlWatch, SqliteWatch, watch
from app.kernel.database import release_idle
from app.kernel.outage import DatabaseAwayError, is_outage, note_outage
from app.runtime import settings

_LOOK_SECONDS = 2
"""How long a thread waits while another one reads what has changed. Then the database counts as away."""
_REST_SECONDS = 0.1
"""Until a database that is away is looked at again."""


class Freshness:
    """Watches the database for one view, which `catch_up` has read what has changed."""

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._catch_up = catch_up
        self._looking = Lock()
        self._watch: SqliteWatch | PostgresqlWatch | None = None
        self._is_behind = True
        """Whether a change was noticed that has not been read yet."""
        self.is_stale = False
        """Whether the database was away when it was last looked at."""
        self._fresh_at = -inf
        """When the view was last certain to be fresh."""
        self._look_at = 0.0

    def age_seconds(self) -> float:
        """Return how long ago the view was last certain to be fresh; 0 before it was used for the first time."""
        return 0.0 if self._fresh_at == -inf else monotonic() - self._fresh_at

    def stale_seconds(self) -> int:
        """Return how old at most what the view knows is."""
        # On PostgreSQL a notification that is lost is unnoticed for a second.
        return ceil(monotonic() - self._fresh_at) + 1

    def renew(self, *, is_certain: bool = False) -> None:
        """Have the view know of every change that has been committed.

        While the database is away, what is known goes on to count for as long as the setting ANSWER_WITHOUT_DATABASE
        says, unless it has to be certain. Raises `DatabaseAwayError` otherwise.
        """
        began = monotonic()
        # One thread may be waiting for a database that does not respond; one is enough.
        if began < self._look_at or not self._looking.acquire(timeout=0 if self.is_stale else _LOOK_SECONDS):
            if not self.is_stale:
                note_outage(_silent())
            self._go_on(is_certain=is_certain)
            return
        try:
            # A look at the watch resets it, so the other threads wait until the change has been read; and when that
            # fails, the next thread has to try again.
            self._watch = self._watch or watch()
            self._is_behind = self._watch.has_changed() or self._is_behind
            if self._is_behind:
                self._read()
                self._is_behind = False
            self._fresh_at, self.is_stale = began, False
        except Exception as error:
            if not is_outage(error):
                raise
            note_outage(error)
            self._look_at = monotonic() + _REST_SECONDS
            self._go_on(is_certain=is_certain)
        finally:
            self._looking.release()

    def close(self) -> None:
        """Stop watching the database."""
        if self._watch is not None:
            self._watch.close()

    def _read(self) -> None:
        try:
            self._catch_up()
        except Exception as error:
            if not is_outage(error):
                raise
            # Perhaps this connection alone was cut.
            release_idle()
            self._catch_up()

    def _go_on(self, *, is_certain: bool) -> None:
        self.is_stale = True
        if is_certain or monotonic() - self._fresh_at > settings().answer_without_database:
            raise _silent()


def _silent() -> DatabaseAwayError:
    return DatabaseAwayError("It does not respond.")
