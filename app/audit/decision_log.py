"""The decision log: every answer to a client, written in batches by a background thread.

A process that answers appends its decisions to a bounded buffer; ten times a second a thread of its own writes them as
one row. A process that is killed loses at most the answers of its last 200 milliseconds: an answer waits while an older
one than that is not stored. A process that ends regularly loses nothing. Other values of the setting `DECISION_LOG`
promise something else: with `durable` nothing is lost, as each answer waits until it is stored; with `best_effort`
answers go on while nothing can be stored, and what is dropped is counted.

What people do on pages is not here but in the events (`refused`, `service_opened`, and every change): a page asks some
thirty questions to draw itself, and shows the answers to no one.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from itertools import count
from math import inf
from threading import Condition, Event, Lock, Thread, main_thread
from time import monotonic, sleep
from weakref import WeakSet

from app import runtime
from app.audit.decision_codec import (
    LeafReference,
    LoggedDecision,
    LoggedRequest,
    Steps,
    items_in,
    leaves_in,
    pack,
    path_digest,
)
from app.audit.operations import delete_decisions, delete_events, store_decisions
from app.config import DecisionLogging
from app.kernel import clock
from app.kernel.database import connected, wait_for_writers
from app.kernel.ids import new_public_id

_INTERVAL_SECONDS = 0.1
"""Between two batches. A process that is killed loses the answers of this time, and of that which a batch takes."""
_LATE_SECONDS = 0.2
"""What a killed process may lose. If the last batch that was stored is older, an answer waits until it is stored."""
_RETRY_SECONDS = 0.2
_SHUTDOWN_SECONDS = 2
"""How long a process that ends goes on trying. Together with what it may wait for before and after, that is less than
the server waits for the process; otherwise the loss could not be reported."""
_PATIENCE_SECONDS = {DecisionLogging.REQUIRED: 1.0, DecisionLogging.DURABLE: 5.0}
"""How long after the last batch that was stored an answer may wait; less where most answers need not wait.

Later answers wait for a moment only, so that requests do not queue up while nothing can be stored.
"""
_BUSY_SECONDS = 0.5
"""How long the log waits for other writers at a time: less than `_SHUTDOWN_SECONDS`."""
_FIRST_RETENTION_SECONDS = 60
"""Until old decisions are deleted for the first time; a process that starts has other things to do."""
_RETENTION_SECONDS = 3600
_BATCH_LIMIT = 5000
"""Decisions, or a few more; to look one up, its whole batch is read."""
_DELETE_LIMIT = 500
"""Batches that are deleted at a time, so that other writers do not wait."""

_log = logging.getLogger(__name__)

_logs: "WeakSet[DecisionLog]" = WeakSet()
"""Every log of this process."""


class NotLoggedError(Exception):
    """A decision could not be logged, so it must not be answered."""


class DecisionLog:
    """The log of one process. Any number of threads may write; the thread that stores starts with the first write.

    A process may be forked before it answers for the first time, as servers do that load a portal once for all of their
    workers. Later its threads may hold locks of libraries, which no child could ever get.

    `steps_of` returns the steps to a leaf, or None; without it, steps are not stored.

    A write takes no lock, as `next`, `append` and `popleft` are each atomic. So the buffer may for a moment hold a few
    more decisions than `capacity`, and of two simultaneous writes the later number may come first.
    """

    def __init__(
        self,
        promise: DecisionLogging = DecisionLogging.REQUIRED,
        *,
        days: int = 90,
        event_days: int = 1_100,
        steps_of: Callable[[str, int], Steps | None] | None = None,
        capacity: int = 100_000,
    ) -> None:
        self.promise = promise
        self._days = days
        self._event_days = event_days
        self._steps_of = steps_of
        self._capacity = capacity
        self._half_capacity = capacity // 2
        self.begin()
        _logs.add(self)

    def begin(self) -> None:
        """Begin as the empty log of this process: a process that was forked has none of the threads of the other."""
        self.writer = new_public_id()[:10]
        self.dropped = 0
        """How many decisions were answered and not stored."""
        self._prefix = f"{self.writer}-"
        self._numbers = count(1)
        self._entries: deque[LoggedRequest] = deque()
        self._elsewhere = 0
        """How many decisions wait besides one for each of `_entries`: the others of its request, and those taken."""
        self._is_slow_write = True
        """Whether a write has to do more than append: until the log has started, after its end, and if durable."""
        self._thread: Thread | None = None
        self._wake = Event()
        self._lock = Lock()
        """For counters that several threads change, rarely."""
        self._progress = Condition()
        self._rounds_begun = self._rounds_done = 0
        self._stored_until = monotonic()
        """Everything written before this moment is stored."""
        self._closing = self._over = self._has_ended = False
        # Used by the thread alone:
        self._unwritten: deque[LoggedRequest] = deque()
        self._stored_paths: set[str] = set()
        self._retention_at = monotonic() + _FIRST_RETENTION_SECONDS
        self._dropped_before = 0
        self._give_up_at = inf

    @property
    def keeps_up(self) -> bool:
        """Whether answers can be stored at the moment, as far as that is promised."""
        if self._thread is None or self.promise is DecisionLogging.BEST_EFFORT:
            return True
        return not self._over and monotonic() - self._stored_until <= _PATIENCE_SECONDS[DecisionLogging.REQUIRED]

    def write(self, at: float, client: str, revision: int, item: LoggedDecision) -> str:
        """Log the decision with which a request of `client` (`client:ID`) is about to be answered, and return its id.

        `at` is in seconds since 1970. Raises `NotLoggedError` when the buffer is full, or when nothing could be stored
        for a second (if the log is durable, for five); never with best effort.
        """
        number = next(self._numbers)
        waiting = len(self._entries) + self._elsewhere
        if waiting < self._half_capacity or self._has_room(1, waiting):
            self._entries.append((number, at, client, revision, (item,)))
            if self._is_slow_write or monotonic() - self._stored_until > _LATE_SECONDS:
                self._finish_writing(1)
        return f"{self._prefix}{number}"

    def write_all(self, at: float, client: str, revision: int, items: Sequence[LoggedDecision]) -> list[str]:
        """Log all decisions with which one request is about to be answered, and return their ids; like `write`."""
        number = next(self._numbers)
        size = len(items)
        if size and self._has_room(size, len(self._entries) + self._elsewhere):
            with self._lock:
                self._elsewhere += size - 1
            self._entries.append((number, at, client, revision, items))
            if self._is_slow_write or monotonic() - self._stored_until > _LATE_SECONDS:
                self._finish_writing(size)
        return [f"{self._prefix}{number}.{place}" for place in range(1, size + 1)]

    def start(self) -> None:
        """Start to store what is written and to delete what is old; the first write does it too."""
        with self._lock:
            if self._thread is None and not self._over:
                # Not a daemon: a process that ends waits for it, however it is ended, so what was answered is stored.
                self._stored_until = monotonic()
                # It writes to the database of the runtime that answers. Nothing else of the request that happens to be
                # the first concerns it, such as the moment that the request is pinned to.
                context = Context()
                context.run(runtime.active.set, runtime.current())
                self._thread = Thread(target=context.run, args=(self._run,), name="decision log", daemon=False)
                self._thread.start()
                self._is_slow_write = self.promise is DecisionLogging.DURABLE

    def flush(self, seconds: float = 10) -> None:
        """Wait until everything written so far is stored. Raises `NotLoggedError` after `seconds`."""
        if self._thread is None:
            return
        # What is in the buffer when a round begins is stored when it is done.
        wanted = self._rounds_begun + 1
        self._wake.set()
        with self._progress:
            self._progress.wait_for(lambda: self._rounds_done >= wanted or self._has_ended, seconds)
        has_kept_all = self._has_ended and not self._entries and not self._elsewhere
        if self._rounds_done < wanted and not has_kept_all:
            raise NotLoggedError("the decisions could not be stored in time")

    def close(self) -> None:
        """Store what has been written, and accept nothing more."""
        self._closing = True
        self._wake.set()
        if self._thread is None:
            self._accept_no_more()
        else:
            self._thread.join()

    def _has_room(self, size: int, waiting: int) -> bool:
        """Return whether the buffer has room for `size` more decisions."""
        if waiting + size >= self._half_capacity:
            self._wake.set()
        if waiting + size <= self._capacity:
            return True
        self._refuse(size)
        return False

    def _refuse(self, size: int) -> None:
        if self.promise is not DecisionLogging.BEST_EFFORT:
            raise NotLoggedError("the decision log is full, or has ended")
        with self._lock:
            self.dropped += size

    def _finish_writing(self, size: int) -> None:
        self.start()
        # Checked after appending: what is in the buffer before the log accepts no more is still stored.
        if self._over:
            self._refuse(size)
        elif self.promise is DecisionLogging.DURABLE or self._is_late():
            patience = self._stored_until + _PATIENCE_SECONDS[self.promise] - monotonic()
            self.flush(max(patience, _LATE_SECONDS))

    def _is_late(self) -> bool:
        return self.promise is DecisionLogging.REQUIRED and monotonic() - self._stored_until > _LATE_SECONDS

    def _accept_no_more(self) -> None:
        self._over = self._is_slow_write = True

    # The rest runs in the thread.

    def _run(self) -> None:
        while not self._has_ended:
            try:
                with connected():
                    wait_for_writers(_BUSY_SECONDS)
                    while not self._has_ended:
                        self._store()
            except Exception as error:  # noqa: BLE001  (it goes on when the problem is over, whatever it was)
                _log.error("the decision log waits after an error: %s", type(error).__name__)
                # Without a connection no round begins that would notice it.
                self._notice_end()
                if monotonic() >= self._give_up_at:
                    self._give_up()
                else:
                    sleep(_RETRY_SECONDS)

    def _notice_end(self) -> None:
        if not self._over and (self._closing or not main_thread().is_alive()):
            self._accept_no_more()
            self._give_up_at = monotonic() + _SHUTDOWN_SECONDS

    def _store(self) -> None:
        began = monotonic()
        self._wake.clear()
        self._notice_end()
        self._rounds_begun += 1
        self._take()
        while self._unwritten:
            self._store_batch()
        if self.dropped > self._dropped_before:
            _log.error("the decision log has dropped %d decisions since the start of this process", self.dropped)
            self._dropped_before = self.dropped
        with self._progress:
            self._rounds_done = self._rounds_begun
            self._stored_until = began
            self._has_ended = self._over
            self._progress.notify_all()
        if not self._over:
            self._delete_old()
            self._wake.wait(max(0.0, began + _INTERVAL_SECONDS - monotonic()))

    def _take(self) -> None:
        taken = [self._entries.popleft() for _ in range(len(self._entries))]
        with self._lock:
            self._elsewhere += len(taken)
        self._unwritten.extend(taken)

    def _store_batch(self) -> None:
        batch = self._next_batch()
        digests, new = self._paths(batch)
        numbers = [entry[0] for entry in batch]
        times = [entry[1] for entry in batch]
        store_decisions(
            self.writer,
            first=min(numbers),
            last=max(numbers),
            started_at=datetime.fromtimestamp(min(times), UTC),
            ended_at=datetime.fromtimestamp(max(times), UTC),
            payload=pack(batch, digests),
            paths=new,
        )
        # Steps without a leaf hardly ever come again, and are unlimited in number.
        self._stored_paths |= {digest for (_policy, leaf), digest in digests.items() if isinstance(leaf, int)}
        for _ in batch:
            self._unwritten.popleft()
        with self._lock:
            self._elsewhere -= items_in(batch)

    def _next_batch(self) -> list[LoggedRequest]:
        batch: list[LoggedRequest] = []
        held = 0
        for entry in self._unwritten:
            batch.append(entry)
            held += len(entry[4])
            if held >= _BATCH_LIMIT:
                break
        return batch

    def _paths(self, batch: Sequence[LoggedRequest]) -> tuple[dict[LeafReference, str], dict[str, tuple[str, Steps]]]:
        """Return the digests of the paths in `batch`, and the paths that have not been stored yet, by digest.

        Computed for each batch anew: a policy that is loaded again numbers its leaves again.
        """
        digests: dict[LeafReference, str] = {}
        new: dict[str, tuple[str, Steps]] = {}
        for leaf in leaves_in(batch) if self._steps_of else ():
            steps = self._steps(leaf)
            if steps is not None:
                digest = digests[leaf] = path_digest(leaf[0], steps)
                if digest not in self._stored_paths:
                    new[digest] = (leaf[0], steps)
        return digests, new

    def _steps(self, leaf: LeafReference) -> Steps | None:
        policy, number_or_steps = leaf
        if not isinstance(number_or_steps, int):
            return number_or_steps
        assert self._steps_of is not None
        try:
            return self._steps_of(policy, number_or_steps)
        except Exception as error:  # noqa: BLE001  (the decision is logged even if its steps cannot be)
            _log.error("the steps to a decision could not be found: %s", type(error).__name__)
            return None

    def _delete_old(self) -> None:
        if monotonic() < self._retention_at:
            return
        deleted = max(
            delete_decisions(clock.now() - timedelta(days=self._days), limit=_DELETE_LIMIT),
            delete_events(clock.now() - timedelta(days=self._event_days), limit=_DELETE_LIMIT),
        )
        # Paths that are still in use are stored again, which notes that they are.
        self._stored_paths.clear()
        if deleted < _DELETE_LIMIT:
            self._retention_at = monotonic() + _RETENTION_SECONDS

    def _give_up(self) -> None:
        lost = len(self._entries) + self._elsewhere
        with self._lock:
            self.dropped += lost
        with self._progress:
            self._has_ended = True
            self._progress.notify_all()
        _log.error("the decision log ends and loses %d decisions", lost)


def current() -> DecisionLog:
    """Return the log of the current runtime."""
    return runtime.current().decision_log


def _begin_again() -> None:
    for log in list(_logs):
        log.begin()


os.register_at_fork(after_in_child=_begin_again)
