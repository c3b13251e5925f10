"""The threads that answer, by the pattern "leader/followers": one takes in what comes and answers it, the others wait.

All threads of a process share one interpreter. If several take in what comes, they take it from each other all the
time, which costs a third of a usual answer. So the leader goes on alone as long as all is quick. When something takes
longer, because it waits for a database or has much to compute, the next thread becomes the leader, and the one of
before follows when it has finished.
"""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock, Thread, get_native_id
from typing import Any

from app.server.processes import thread_wants_processor

_TICK_SECONDS = 0.004
"""Between two looks whether the leader is still at the same event, and waits for something. Each look takes the
interpreter from it for a moment, and most answers take a fiftieth of it."""
_COMPUTING_TICKS = 2
"""For how many ticks the leader may compute, or wait for a processor, until another one takes the lead."""
_QUIET_TICKS = 50
"""For how many ticks without work the clock goes on."""


class LeaderFollowers:
    """Has the threads of granian take turns. There are `most`, and one always stays free to take in what comes.

    If all others are at work, up to `waiting` jobs wait for one of them.
    """

    def __init__(self, most: int, waiting: int) -> None:
        self._most = most
        self._most_waiting = waiting
        self._lock = Lock()
        self._leader: int | None = None
        self._followers: list[tuple[int, Lock]] = []
        """Threads without work, each with the lock that it waits for."""
        self._busy = 0
        """How many threads that do not lead are at work."""
        self._jobs: deque[Callable[[], None]] = deque()
        self._events = 0
        """How many events the leader has begun."""
        self._is_at_work = False
        """Whether the leader has begun an event and not ended it."""
        self._finished_at = time.monotonic()
        self._clock = Lock()
        """Held while the clock has nothing to look at."""
        self._clock.acquire()
        self._clock_runs = False
        Thread(target=self._look, daemon=True, name="clock").start()

    def take(self, event: Callable[..., bool], *arguments: Any) -> None:
        """Do what an event of granian calls for, in the thread that brings it.

        The event raises nothing, and returns whether it may be kept for long: as long as its thread follows, granian
        keeps what it is about.
        """
        me = get_native_id()
        if self._leader is None:
            self._leader = me
        leads = self._leader == me
        if leads:
            self._events += 1
            self._is_at_work = True
            if not self._clock_runs:
                self._clock_runs = True
                self._clock.release()
        else:
            with self._lock:
                self._busy += 1
        may_follow = event(*arguments)
        if leads:
            with self._lock:
                if self._leader == me:
                    self._is_at_work = False
                    return
        self._do_what_waits(me, may_follow=may_follow)

    def run(self, job: Callable[[], None]) -> bool:
        """Do `job` as a part of an event, or have it done soon. Returns False if too many jobs wait."""
        if self._busy < self._most - 1:
            job()
            return True
        with self._lock:
            if len(self._jobs) >= self._most_waiting:
                return False
            self._jobs.append(job)
        return True

    def hand_over(self) -> None:
        """Have the next thread take the lead, if this one has it, because what it does now takes long."""
        with self._lock:
            if self._leader == get_native_id():
                self._promote()

    @property
    def stuck_seconds(self) -> float:
        """For how long jobs have waited without any thread finishing one."""
        return time.monotonic() - self._finished_at if self._jobs else 0.0

    def _do_what_waits(self, me: int, *, may_follow: bool) -> None:
        """Do the jobs that wait, and then, if the thread may follow, wait to become the leader."""
        while True:
            self._finished_at = time.monotonic()
            with self._lock:
                job = self._jobs.popleft() if self._jobs else None
                if job is None:
                    self._busy -= 1
                    if self._leader is None:
                        self._lead(me)
                        return
                    if not may_follow:
                        return
                    turn = Lock()
                    turn.acquire()
                    self._followers.append((me, turn))
                    break
            job()
        turn.acquire()

    def _lead(self, thread: int | None) -> None:
        """Make a thread the leader, which has nothing to do yet. The lock is held."""
        self._leader = thread
        self._is_at_work = False

    def _promote(self) -> None:
        """Make a follower the leader in the place of one that is at work. The lock is held."""
        self._busy += 1
        # Without a follower, whoever brings the next event leads: granian starts another thread then.
        follower, turn = self._followers.pop() if self._followers else (None, None)
        self._lead(follower)
        if turn is not None:
            turn.release()

    def _look(self) -> None:
        """Look every few milliseconds, as long as there is work, whether the leader takes long."""
        seen = quiet = ticks = 0
        while True:
            self._clock.acquire()
            while quiet < _QUIET_TICKS:
                time.sleep(_TICK_SECONDS)
                with self._lock:
                    ticks = ticks + 1 if self._is_at_work and self._events == seen else 0
                    if ticks >= _COMPUTING_TICKS or (ticks and not thread_wants_processor(self._leader)):
                        ticks = 0
                        self._promote()
                    seen = self._events
                    quiet = 0 if self._is_at_work or self._busy else quiet + 1
                    self._clock_runs = quiet < _QUIET_TICKS
            quiet = 0
