"""The thread that moves decisions from the journal to where they are kept, and deletes what is old.

It waits for databases, so that no other thread has to.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event
from time import monotonic

from app.audit import decision_store, journal, queries
from app.audit.operations import delete_events
from app.kernel import clock
from app.kernel.database import connected, release_idle
from app.kernel.disk import little_room
from app.kernel.log import Throttle

_LOOK_SECONDS = 1
"""Between two looks for files that can be moved; those of other processes too."""
_RETRY_SECONDS = 5
_FIRST_RETENTION_SECONDS = 60
"""Until old decisions are deleted for the first time; a process that starts has other things to do."""
_RETENTION = timedelta(hours=1)
"""Between two deletions of what is old, on one machine."""
_DELETED_AT_ONCE = timedelta(hours=2)
"""The time whose decisions or events are deleted at once at most: a clock that is wrong costs no more than this."""
_QUIET = timedelta(days=1)
"""If the newest entry is older than this, nothing is deleted: no clock is right that nothing else confirms."""
_SIZE_SECONDS = 60
"""Between two looks at how large the log is, and how much room there is for it."""
_DELETE_LIMIT = 500
"""Rows that are deleted at a time, so that other writers do not wait."""
_NEARLY = 0.8
"""The part of the largest size at which a warning begins."""

_log = logging.getLogger(__name__)


class DecisionMover:
    """Moves and deletes until `stop` is set. `days` and `event_days` say how long what is kept; `max_bytes` how much.

    A `max_bytes` of 0 sets no limit.
    """

    def __init__(self, *, days: int, event_days: int, max_bytes: int) -> None:
        self.stop = Event()
        self._too_large = self._not_moved = ""
        self._days = timedelta(days=days)
        self._event_days = timedelta(days=event_days)
        self._max_bytes = max_bytes
        self._sizes: dict[datetime, int] = {}
        self._retention_at = monotonic() + _FIRST_RETENTION_SECONDS
        self._size_at = monotonic()
        self._errors, self._notes = Throttle(_log), Throttle(_log)

    @property
    def warnings(self) -> list[str]:
        """What an operator should know, in sentences."""
        return [warning for warning in (self._too_large, self._not_moved) if warning]

    def run(self) -> None:
        """Run until `stop` is set, and move what can be moved once more after that."""
        while not self.stop.wait(self._pass()):
            pass
        self._pass()

    def _pass(self) -> float:
        """Do what is due, and return how many seconds to wait until the next time."""
        try:
            move_all()
            self._not_moved = ""
            if not self.stop.is_set():
                self._check_size()
                self._delete_old()
        except Exception as error:  # noqa: BLE001  (it goes on when the problem is over, whatever it was)
            release_idle()
            self._not_moved = "Decisions stay in the journal for now, because they cannot be moved to the database."
            self._errors.error("decisions stay in the journal for now: %s", type(error).__name__)
            return _RETRY_SECONDS
        return _LOOK_SECONDS

    def _check_size(self) -> None:
        if monotonic() < self._size_at:
            return
        self._size_at = monotonic() + _SIZE_SECONDS
        if journal.folder().exists() and (warning := little_room(journal.folder())):
            self._notes.warning("%s", warning)
        if self._max_bytes:
            self._sizes = decision_store.sizes(self._sizes)
            self._bound(sum(self._sizes.values()))

    def _bound(self, size: int) -> None:
        self._too_large = ""
        if size > _NEARLY * self._max_bytes:
            self._too_large = (
                f"The decision log has {size:,} bytes; beyond {self._max_bytes:,} (DECISION_LOG_MAX_BYTES) its oldest"
                " decisions are deleted."
            )
            self._notes.warning("%s", self._too_large)
        while size > self._max_bytes and not self.stop.is_set():
            deleted = decision_store.delete_oldest(size - self._max_bytes, limit=_DELETE_LIMIT)
            if not deleted:
                break
            size -= deleted

    def _delete_old(self) -> None:
        if monotonic() < self._retention_at:
            return
        self._retention_at = monotonic() + _RETENTION.total_seconds()
        if not _begin_retention():
            return
        with connected():
            for ends, days, delete in (
                (decision_store.ends(), self._days, decision_store.delete_before),
                (queries.event_ends(), self._event_days, delete_events),
            ):
                before = ends and deletable_before(clock.now(), days, *ends)
                while before and delete(before, limit=_DELETE_LIMIT) and not self.stop.is_set():
                    pass


def move_all() -> None:
    """Move every file of the journal to which no process appends. Raises the first error, after all were tried."""
    errors: list[Exception] = []
    for path in journal.segments():
        with journal.claimed(path) as is_free:
            if is_free:
                try:
                    decision_store.keep(journal.writer_of(path), list(journal.frames(path)))
                    path.unlink()
                except Exception as error:  # noqa: BLE001  (one file must not keep the others here)
                    errors.append(error)
    if errors:
        raise errors[0]


def deletable_before(now: datetime, days: timedelta, oldest: datetime, newest: datetime) -> datetime | None:
    """Return the moment before which entries may be deleted that are kept for `days`; None for not at all.

    A clock that runs ahead for a while must not empty the log: an entry is old in comparison with the newest one, and
    only the oldest are deleted at once.
    """
    if now - newest > _QUIET:
        return None
    before = min(min(now, newest) - days, oldest + _DELETED_AT_ONCE)
    return before if before > oldest else None


def _begin_retention() -> bool:
    """Return whether old entries may be deleted again on this machine, and note that they are."""
    note = journal.folder() / "retention"
    with suppress(FileNotFoundError):
        since = clock.timestamp() - note.stat().st_mtime
        # A time that is yet to come is none: the clock was wrong then, or is now.
        if 0 <= since < _RETENTION.total_seconds():
            return False
    journal.folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    note.touch()
    return True
