"""The decision log: every answer to a client, written in batches by a background thread.

A process that answers appends its decisions to a bounded buffer. Ten times a second a thread writes them to a file of
the process (`audit.journal`), a second one has the disk keep what was written, and a third one moves it to where
decisions are kept (`audit.decision_mover`). So answers wait for no database and, but for `durable`, for no slow disk.

What is written outlives the process. A process that is killed loses at most the answers of 200 milliseconds: an answer
waits while an older one than that is not written. A process that ends regularly loses nothing. Other values of the
setting `DECISION_LOG` promise something else: with `durable` nothing is lost, even if the machine loses its power, as
each answer waits until the disk keeps it; with `best_effort` answers go on while nothing can be written, and what is
dropped is counted. What was refused in the end because it could not be logged in time is withdrawn.

What people do on pages is not here but in the events (`refused`, `service_opened`, and every change): a page asks some
thirty questions to draw itself, and shows the answers to no one.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from math import inf
from threading import Condition, Event, Lock, Thread, main_thread
from time import monotonic, sleep
from weakref import WeakSet

from app import runtime
from app.audit.decision_codec import LoggedDecision, LoggedRequest, Steps, items_in
from app.audit.decision_mover import DecisionMover
from app.audit.decision_writer import DecisionWriter
from app.config import DecisionLogging
from app.kernel.ids import new_public_id
from app.kernel.log import Throttle, in_words
from app.kernel.metrics import log_dropped

_INTERVAL_SECONDS = 0.1
"""Between two batches. A process that is killed loses the answers of this time, and of that which a batch takes."""
_LATE_SECONDS = 0.2
"""What a killed process may lose. If the last batch that was written is older, an answer waits until it is written."""
_RETRY_SECONDS = 0.2
_SHUTDOWN_SECONDS = 2
"""How long a process that ends goes on trying. Together with what it may wait for before and after, that is less than
the server waits for the process; otherwise the loss could not be reported."""
_PATIENCE_SECONDS = {DecisionLogging.REQUIRED: 1.0, DecisionLogging.DURABLE: 5.0}
"""How long after the last batch that was kept as promised an answer may wait; less where most answers need not wait.

Later answers wait for a moment only, so that requests do not queue up while nothing can be written.
"""
_SYNC_SECONDS = 5
"""How long ago the disk may have kept something for the last time; otherwise nothing more is answered."""
_BATCH_LIMIT = 5000
"""Decisions that are written at a time, or a few more."""

_log = logging.getLogger(__name__)

_logs: "WeakSet[DecisionLog]" = WeakSet()
"""Every log of this process."""


class NotLoggedError(Exception):
    """A decision could not be logged, so it must not be answered."""


class DecisionLog:
    """The log of one process. Any number of threads may write; its own threads start with the first write.

    A process may be forked before it answers for the first time, as servers do that load a portal once for all of their
    workers. Later its threads may hold locks of libraries, which no child could ever get.

    `days` and `event_days` say how long decisions and events are kept, and `max_bytes` how large the log may become (0:
    as large as it becomes). `steps_of` returns the steps to a leaf, or None; without it, steps are not stored.

    A write takes no lock, as `next`, `append` and `popleft` are each atomic. So the buffer may for a moment hold a few
    more decisions than `capacity`, and of two simultaneous writes the later number may come first.
    """

    def __init__(
        self,
        promise: DecisionLogging = DecisionLogging.REQUIRED,
        *,
        days: int = 90,
        event_days: int = 1_100,
        max_bytes: int = 0,
        steps_of: Callable[[str, int], Steps | None] | None = None,
        capacity: int = 100_000,
    ) -> None:
        self.promise = promise
        self._new_mover = partial(DecisionMover, days=days, event_days=event_days, max_bytes=max_bytes)
        self._steps_of = steps_of
        self._capacity = capacity
        self._half_capacity = capacity // 2
        self._files: DecisionWriter | None = None
        self.begin()
        _logs.add(self)

    def begin(self) -> None:
        """Begin as the empty log of this process: a process that was forked has none of the threads of the other."""
        if self._files is not None:
            # Otherwise the lock of the other process would outlive it here.
            self._files.close()
        self.writer = new_public_id()[:10]
        self.dropped = 0
        """How many decisions were answered and not logged."""
        self._files = DecisionWriter(self.writer, self._steps_of)
        self._mover = self._new_mover()
        self._prefix = f"{self.writer}-"
        self._numbers = count(1)
        self._entries: deque[LoggedRequest] = deque()
        self._elsewhere = 0
        """How many decisions wait besides one for each of `_entries`: the others of its request, and those taken."""
        self._withdrawn: deque[int] = deque()
        """Numbers of requests that were refused after they had been appended."""
        self._is_slow_write = True
        """Whether a write has to do more than append: until the log has started, after its end, if durable, and while
        the disk keeps nothing."""
        self._thread: Thread | None = None
        self._wake = Event()
        self._lock = Lock()
        """For counters that several threads change, rarely."""
        self._progress = Condition()
        self._rounds_begun = self._rounds_written = self._rounds_synced = self._rounds_lost = 0
        self._written_until = self._synced_until = monotonic()
        """What came before this moment is written, or kept by the disk."""
        self._closing = self._over = self._has_ended = False
        # Used by the thread alone:
        self._unwritten: deque[LoggedRequest] = deque()
        self._refused: set[int] = set()
        """Numbers that were withdrawn after they had been written."""
        self._dropped_before = 0
        self._give_up_at = inf
        self._errors = Throttle(_log)

    @property
    def keeps_up(self) -> bool:
        """Whether answers can be logged at the moment, as far as that is promised."""
        if self._thread is None or self.promise is DecisionLogging.BEST_EFFORT:
            return True
        is_written = monotonic() - self._written_until <= _PATIENCE_SECONDS[DecisionLogging.REQUIRED]
        return not self._over and is_written and not self._is_disk_stuck()

    @property
    def pending(self) -> tuple[int, float]:
        """How many decisions wait to be written, and for how many seconds at most."""
        number = len(self._entries) + self._elsewhere
        return number, monotonic() - self._written_until if number else 0.0

    @property
    def warnings(self) -> list[str]:
        """What an operator should know of where decisions are kept, in sentences."""
        return self._mover.warnings

    def write(self, at: float, client: str, revision: int, item: LoggedDecision) -> str:
        """Log the decision with which a request of `client` (`client:ID`) is about to be answered, and return its id.

        `at` is in seconds since 1970. Raises `NotLoggedError` when the buffer is full, or when nothing could be written
        for a second (if the log is durable, when the disk has kept nothing for five); never with best effort.
        """
        number = next(self._numbers)
        waiting = len(self._entries) + self._elsewhere
        if waiting < self._half_capacity or self._has_room(1, waiting):
            if self._is_slow_write:
                self._begin_writing()
            self._entries.append((number, at, client, revision, (item,)))
            if self._is_slow_write or monotonic() - self._written_until > _LATE_SECONDS:
                self._finish_writing(number, 1)
        return f"{self._prefix}{number}"

    def write_all(self, at: float, client: str, revision: int, items: Sequence[LoggedDecision]) -> list[str]:
        """Log all decisions with which one request is about to be answered, and return their ids; like `write`."""
        number = next(self._numbers)
        size = len(items)
        if size and self._has_room(size, len(self._entries) + self._elsewhere):
            if self._is_slow_write:
                self._begin_writing()
            with self._lock:
                self._elsewhere += size - 1
            self._entries.append((number, at, client, revision, items))
            if self._is_slow_write or monotonic() - self._written_until > _LATE_SECONDS:
                self._finish_writing(number, size)
        return [f"{self._prefix}{number}.{place}" for place in range(1, size + 1)]

    def start(self) -> None:
        """Start to store what is written and to delete what is old; the first write does it too."""
        with self._lock:
            if self._thread is None and not self._over:
                self._written_until = self._synced_until = monotonic()
                # Not a daemon: a process that ends waits for it, however it is ended, so what was answered is written.
                self._thread = runtime.thread(self._run, "decision log", daemon=False)
                runtime.thread(self._sync, "decision log sync").start()
                self._mover_thread = runtime.thread(self._mover.run, "decision log mover")
                self._mover_thread.start()
                self._thread.start()
                self._is_slow_write = self.promise is DecisionLogging.DURABLE

    def flush(self, seconds: float = 10) -> None:
        """Wait until everything logged so far is kept as promised. Raises `NotLoggedError` after `seconds`."""
        if self._thread is not None and not self._wait_for_round(seconds):
            raise NotLoggedError("the decisions could not be logged in time")

    def close(self) -> None:
        """Log what has been written, and accept nothing more."""
        self._closing = True
        self._wake.set()
        self._thread.join() if self._thread else self._accept_no_more()

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
            raise NotLoggedError("the decision log is full or has ended, or the disk does not respond")
        log_dropped.inc(size)
        with self._lock:
            self.dropped += size

    def _begin_writing(self) -> None:
        self.start()
        if self._is_disk_stuck() and self.promise is not DecisionLogging.BEST_EFFORT:
            self._refuse(1)

    def _finish_writing(self, number: int, size: int) -> None:
        # Checked after appending: what is in the buffer before the log accepts no more is still written.
        if self._over:
            self._withdrawn.append(number)
            self._refuse(size)
        elif self.promise is DecisionLogging.DURABLE or self._is_late():
            kept_until = self._synced_until if self.promise is DecisionLogging.DURABLE else self._written_until
            patience = kept_until + _PATIENCE_SECONDS[self.promise] - monotonic()
            if not self._wait_for_round(max(patience, _LATE_SECONDS), number):
                self._refuse(size)

    def _is_late(self) -> bool:
        return self.promise is DecisionLogging.REQUIRED and monotonic() - self._written_until > _LATE_SECONDS

    def _is_disk_stuck(self) -> bool:
        return monotonic() - self._synced_until > _SYNC_SECONDS

    def _wait_for_round(self, seconds: float, number: int | None = None) -> bool:
        """Return whether what is in the buffer now comes to be kept as promised; otherwise withdraw `number`."""
        # What is in the buffer when a round begins is written when it is done.
        wanted = self._rounds_begun + 1
        self._wake.set()
        with self._progress:
            self._progress.wait_for(lambda: self._rounds_kept >= wanted or self._has_ended, seconds)
            has_kept_all = self._has_ended and not self._entries and not self._elsewhere
            is_kept = has_kept_all or (self._rounds_kept >= wanted and not self._is_lost(wanted))
            if not is_kept and number is not None:
                # While the lock is held, as the thread decides by it what can be withdrawn in which file.
                self._withdrawn.append(number)
        return is_kept

    def _is_lost(self, number: int) -> bool:
        # The disk fails to keep something once, and does not say so again.
        return self.promise is DecisionLogging.DURABLE and number <= self._rounds_lost

    @property
    def _rounds_kept(self) -> int:
        return self._rounds_synced if self.promise is DecisionLogging.DURABLE else self._rounds_written

    def _accept_no_more(self) -> None:
        self._over = self._is_slow_write = True

    # The rest runs in the threads.

    def _run(self) -> None:
        while not self._has_ended:
            try:
                self._write_round()
            except Exception as error:  # noqa: BLE001  (it goes on when the problem is over, whatever it was)
                self._errors.error("decisions cannot be written: %s", in_words(error))
                self._notice_end()
                if monotonic() >= self._give_up_at:
                    self._give_up()
                else:
                    sleep(_RETRY_SECONDS)
        self._mover.stop.set()
        # What it does not get to, another process will move.
        self._mover_thread.join(max(0.0, self._give_up_at - monotonic()))

    def _notice_end(self) -> None:
        if not self._over and (self._closing or not main_thread().is_alive()):
            self._accept_no_more()
            self._give_up_at = monotonic() + _SHUTDOWN_SECONDS

    def _write_round(self) -> None:
        assert self._files is not None
        began = monotonic()
        self._wake.clear()
        self._notice_end()
        self._rounds_begun += 1
        with self._progress:
            # Before the entries are taken: none of them is withdrawn before it is in the buffer.
            withdrawn = {self._withdrawn.popleft() for _ in range(len(self._withdrawn))}
            is_settled = self._rounds_kept == self._rounds_written
        self._take(withdrawn)
        if not self._refused:
            self._files.begin_segment(is_settled=is_settled)
        self._write_all(self._files)
        if self.dropped > self._dropped_before:
            _log.error("the decision log has dropped %d decisions since the start of this process", self.dropped)
            self._dropped_before = self.dropped
        with self._progress:
            self._rounds_written = self._rounds_begun
            self._written_until = began
            self._progress.notify_all()
            if self._over:
                self._progress.wait_for(
                    lambda: self._rounds_synced == self._rounds_written, self._give_up_at - monotonic()
                )
                self._files.close()
                self._has_ended = True
                self._progress.notify_all()
        if not self._over:
            self._is_slow_write = self.promise is DecisionLogging.DURABLE or self._is_disk_stuck()
            self._wake.wait(max(0.0, began + _INTERVAL_SECONDS - monotonic()))

    def _take(self, withdrawn: set[int]) -> None:
        taken = [self._entries.popleft() for _ in range(len(self._entries))]
        with self._lock:
            self._elsewhere += len(taken)
        self._unwritten.extend(taken)
        if withdrawn:
            still_here = [entry for entry in self._unwritten if entry[0] in withdrawn]
            for entry in still_here:
                self._unwritten.remove(entry)
            self._refused |= withdrawn.difference(entry[0] for entry in still_here)
            with self._lock:
                self._elsewhere -= items_in(still_here)

    def _write_all(self, files: DecisionWriter) -> None:
        while self._unwritten or self._refused:
            batch = self._next_batch()
            files.append(batch, self._refused)
            self._refused.clear()
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

    def _sync(self) -> None:
        assert self._files is not None
        while not self._has_ended:
            with self._progress:
                self._progress.wait_for(lambda: self._rounds_written > self._rounds_synced or self._has_ended)
                rounds, until = self._rounds_written, self._written_until
            try:
                self._files.sync()
            except OSError as error:
                with self._progress:
                    self._rounds_lost = self._rounds_written
                self._errors.error("the disk does not keep decisions: %s", in_words(error))
                sleep(_RETRY_SECONDS)
                continue
            with self._progress:
                self._rounds_synced, self._synced_until = rounds, until
                self._progress.notify_all()

    def _give_up(self) -> None:
        assert self._files is not None
        lost, _seconds = self.pending
        log_dropped.inc(lost)
        with self._lock:
            self.dropped += lost
        with self._progress:
            self._files.close()
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
