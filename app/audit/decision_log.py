"""The decision log: what programs were answered, written down in batches, off the path of the answers.

A process that answers puts its decisions into a bounded buffer; a thread of its own makes one row of what has come
together, ten times a second. A process that is killed loses what it answered in the last 200 milliseconds at most: an
answer waits while an earlier one than that is not kept. One that ends, or is told to, loses nothing. The other promises
that `DECISION_LOG` can make: `durable` loses nothing that was answered, as an answer waits until it is kept;
`best_effort` goes on answering when nothing can be kept, and counts what it drops.

What people do on pages is not here but in the events (`refused`, `service_opened`, and every change): a page asks some
thirty questions to draw itself, and nobody is told the answers.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from math import inf
from threading import Condition, Event, Lock, Thread, main_thread
from time import monotonic, sleep

from app import runtime
from app.audit.decision_codec import Entry, Item, Leaf, Steps, items_in, leaves_in, pack, path_digest
from app.audit.operations import forget_decisions, keep_decisions
from app.config import DecisionLogging
from app.kernel import clock
from app.kernel.database import connected, wait_for_writers
from app.kernel.ids import new_public_id

_INTERVAL_SECONDS = 0.1
"""Between two batches. What is answered in this time, and while the batch is written, a killed process loses."""
_LATE_SECONDS = 0.2
"""What a killed process may lose. Where the last batch that was kept is older, an answer waits until it is kept."""
_AFTER_TROUBLE_SECONDS = 0.2
_GOODBYE_SECONDS = 2
"""How long a process that ends goes on trying. With what it may be waiting for before and after, that is shorter than
the server waits for it, or nobody would be told what is lost."""
_PATIENCE_SECONDS = {DecisionLogging.REQUIRED: 1.0, DecisionLogging.DURABLE: 5.0}
"""How long after the last batch that was kept an answer may wait; where most need not wait, not so long.

Later ones wait a moment only, so that those who ask do not queue up while nothing can be kept.
"""
_BUSY_SECONDS = 0.5
"""How long the log waits for other writers at a time: shorter than it takes to say goodbye."""
_TIDY_AFTER_SECONDS = 60
"""For the first time; a process that starts has other things to do."""
_TIDY_SECONDS = 3600
_MOST_IN_A_BATCH = 5000
"""Decisions, or a few more; who looks for one reads its whole batch."""
_MOST_FORGOTTEN = 500
"""Batches at a time, so that nobody waits for it."""

_log = logging.getLogger(__name__)


class NotLoggedError(Exception):
    """A decision could not be put into the log, so nobody may be told of it."""


class DecisionLog:
    """The log of one process. Any number of threads may write; a thread that keeps it all starts with the first.

    `steps_of` returns what was asked and answered on the way to a leaf, or None; without it, that is not kept.

    To write takes no lock, as `next`, `append` and `popleft` are each one step to other threads. So the buffer may for
    a moment hold a few more decisions than `capacity`, and of two that write at once the later number may come first.
    """

    def __init__(
        self,
        promise: DecisionLogging = DecisionLogging.REQUIRED,
        *,
        days: int = 90,
        steps_of: Callable[[str, int], Steps | None] | None = None,
        capacity: int = 100_000,
    ) -> None:
        self.promise = promise
        self.writer = new_public_id()[:10]
        self.dropped = 0
        """How many decisions were given and not kept."""
        self._days = days
        self._steps_of = steps_of
        self._capacity = capacity
        self._half = capacity // 2
        self._prefix = f"{self.writer}-"
        self._numbers = count(1)
        self._entries: deque[Entry] = deque()
        self._elsewhere = 0
        """How many decisions wait besides one for each of `_entries`: the others of its request, and those taken."""
        self._needs_more = True
        """Whether there is more to a write than to append: until the log has started, after its end, if durable."""
        self._thread: Thread | None = None
        self._wake = Event()
        self._lock = Lock()
        """For what is counted by several threads, and rarely."""
        self._progress = Condition()
        self._rounds_begun = self._rounds_done = 0
        self._kept_until = monotonic()
        """Everything written before this moment is kept."""
        self._closing = self._over = self._has_ended = False
        # Of the thread alone:
        self._unwritten: deque[Entry] = deque()
        self._kept_paths: set[str] = set()
        self._tidy_at = monotonic() + _TIDY_AFTER_SECONDS
        self._dropped_before = 0
        self._give_up_at = inf

    @property
    def keeps_up(self) -> bool:
        """Whether what is answered now can be kept, as far as that was promised."""
        if self._thread is None or self.promise is DecisionLogging.BEST_EFFORT:
            return True
        return not self._over and monotonic() - self._kept_until <= _PATIENCE_SECONDS[DecisionLogging.REQUIRED]

    def write(self, at: float, client: str, revision: int, item: Item) -> str:
        """Log the decision that a request of `client` (`client:ID`) is about to be answered with, and return its id.

        `at` is in seconds since 1970. Raises `NotLoggedError` when the buffer is full, or nothing could be kept for a
        second, or for some if the log is durable; never if it is kept with best effort only.
        """
        number = next(self._numbers)
        waiting = len(self._entries) + self._elsewhere
        if waiting < self._half or self._takes(1, waiting):
            self._entries.append((number, at, client, revision, (item,)))
            if self._needs_more or monotonic() - self._kept_until > _LATE_SECONDS:
                self._finish_writing(1)
        return f"{self._prefix}{number}"

    def write_all(self, at: float, client: str, revision: int, items: Sequence[Item]) -> list[str]:
        """Log all decisions that one request is about to be answered with, and return their ids; like `write`."""
        number = next(self._numbers)
        size = len(items)
        if size and self._takes(size, len(self._entries) + self._elsewhere):
            with self._lock:
                self._elsewhere += size - 1
            self._entries.append((number, at, client, revision, items))
            if self._needs_more or monotonic() - self._kept_until > _LATE_SECONDS:
                self._finish_writing(size)
        return [f"{self._prefix}{number}.{place}" for place in range(1, size + 1)]

    def start(self) -> None:
        """Start to keep what is written, and to forget what is old; the first write does it too."""
        with self._lock:
            if self._thread is None and not self._over:
                # No daemon: a process that ends waits for it, so what was answered is kept, whoever ends it.
                self._kept_until = monotonic()
                # In a copy of the context: the thread writes to the database of whoever answers.
                context = copy_context()
                self._thread = Thread(target=context.run, args=(self._run,), name="decision log", daemon=False)
                self._thread.start()
                self._needs_more = self.promise is DecisionLogging.DURABLE

    def flush(self, seconds: float = 10) -> None:
        """Wait until everything written so far is kept. Raises `NotLoggedError` if that takes longer than `seconds`."""
        if self._thread is None:
            return
        # What is there when a round begins is kept when it is done.
        wanted = self._rounds_begun + 1
        self._wake.set()
        with self._progress:
            self._progress.wait_for(lambda: self._rounds_done >= wanted or self._has_ended, seconds)
        has_kept_all = self._has_ended and not self._entries and not self._elsewhere
        if self._rounds_done < wanted and not has_kept_all:
            raise NotLoggedError("the decisions could not be kept in time")

    def close(self) -> None:
        """Keep what has been written, and take nothing more."""
        self._closing = True
        self._wake.set()
        if self._thread is None:
            self._take_no_more()
        else:
            self._thread.join()

    def anew(self) -> "DecisionLog":
        """Return a log like this one, with nothing in it, for another process."""
        return DecisionLog(self.promise, days=self._days, steps_of=self._steps_of, capacity=self._capacity)

    def _takes(self, size: int, waiting: int) -> bool:
        """Return whether `size` more decisions have a place."""
        if waiting + size >= self._half:
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
        # Asked after appending: what is there before the log takes no more is still kept.
        if self._over:
            self._refuse(size)
        elif self.promise is DecisionLogging.DURABLE or self._is_late():
            patience = self._kept_until + _PATIENCE_SECONDS[self.promise] - monotonic()
            self.flush(max(patience, _LATE_SECONDS))

    def _is_late(self) -> bool:
        return self.promise is DecisionLogging.REQUIRED and monotonic() - self._kept_until > _LATE_SECONDS

    def _take_no_more(self) -> None:
        self._over = self._needs_more = True

    # The rest is what the thread does.

    def _run(self) -> None:
        while not self._has_ended:
            try:
                with connected():
                    wait_for_writers(_BUSY_SECONDS)
                    while not self._has_ended:
                        self._keep()
            except Exception as error:  # noqa: BLE001  (it goes on when the trouble is over, whatever it was)
                _log.error("the decision log waits after an error: %s", type(error).__name__)
                # Without a connection no round begins, which would notice.
                self._notice_end()
                if monotonic() >= self._give_up_at:
                    self._give_up()
                else:
                    sleep(_AFTER_TROUBLE_SECONDS)

    def _notice_end(self) -> None:
        if not self._over and (self._closing or not main_thread().is_alive()):
            self._take_no_more()
            self._give_up_at = monotonic() + _GOODBYE_SECONDS

    def _keep(self) -> None:
        began = monotonic()
        self._wake.clear()
        self._notice_end()
        self._rounds_begun += 1
        self._take()
        while self._unwritten:
            self._keep_batch()
        if self.dropped > self._dropped_before:
            _log.error("the decision log has dropped %d decisions since the start of this process", self.dropped)
            self._dropped_before = self.dropped
        with self._progress:
            self._rounds_done = self._rounds_begun
            self._kept_until = began
            self._has_ended = self._over
            self._progress.notify_all()
        if not self._over:
            self._tidy()
            self._wake.wait(max(0.0, began + _INTERVAL_SECONDS - monotonic()))

    def _take(self) -> None:
        taken = [self._entries.popleft() for _ in range(len(self._entries))]
        with self._lock:
            self._elsewhere += len(taken)
        self._unwritten.extend(taken)

    def _keep_batch(self) -> None:
        batch = self._next_batch()
        digests, new = self._paths(batch)
        numbers = [entry[0] for entry in batch]
        times = [entry[1] for entry in batch]
        keep_decisions(
            self.writer,
            first=min(numbers),
            last=max(numbers),
            started_at=datetime.fromtimestamp(min(times), UTC),
            ended_at=datetime.fromtimestamp(max(times), UTC),
            payload=pack(batch, digests),
            paths=new,
        )
        # What no recording holds hardly comes again, and there is no end to it.
        self._kept_paths |= {digest for (_policy, leaf), digest in digests.items() if isinstance(leaf, int)}
        for _ in batch:
            self._unwritten.popleft()
        with self._lock:
            self._elsewhere -= items_in(batch)

    def _next_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        held = 0
        for entry in self._unwritten:
            batch.append(entry)
            held += len(entry[4])
            if held >= _MOST_IN_A_BATCH:
                break
        return batch

    def _paths(self, batch: Sequence[Entry]) -> tuple[dict[Leaf, str], dict[str, tuple[str, Steps]]]:
        """Return the digests of the paths in `batch`, and those paths that have not been kept yet, by their digests.

        Asked for each batch anew: a policy that is loaded once more numbers its leaves once more.
        """
        digests: dict[Leaf, str] = {}
        new: dict[str, tuple[str, Steps]] = {}
        for leaf in leaves_in(batch) if self._steps_of else ():
            steps = self._steps(leaf)
            if steps is not None:
                digest = digests[leaf] = path_digest(leaf[0], steps)
                if digest not in self._kept_paths:
                    new[digest] = (leaf[0], steps)
        return digests, new

    def _steps(self, leaf: Leaf) -> Steps | None:
        policy, told = leaf
        if not isinstance(told, int):
            return told
        assert self._steps_of is not None
        try:
            return self._steps_of(policy, told)
        except Exception as error:  # noqa: BLE001  (that it cannot be told how must not keep it from being told what)
            _log.error("the way to a decision could not be told: %s", type(error).__name__)
            return None

    def _tidy(self) -> None:
        if monotonic() < self._tidy_at:
            return
        forgotten = forget_decisions(clock.now() - timedelta(days=self._days), most=_MOST_FORGOTTEN)
        # Those that are still in use are written down again, and then known to be.
        self._kept_paths.clear()
        if forgotten < _MOST_FORGOTTEN:
            self._tidy_at = monotonic() + _TIDY_SECONDS

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


def _renew() -> None:
    """Give a process that was forked a log of its own: the thread of the other one stays there."""
    if runtime.is_in_use():
        runtime.use(replace(runtime.current(), decision_log=current().anew()))


os.register_at_fork(after_in_child=_renew)
