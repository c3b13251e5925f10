"""Threads that take turns: a quick one goes on alone, and one that waits hands over."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue

from app.server.leader_followers import LeaderFollowers
from tests.waiting import until

Event = Callable[[], bool]


@contextmanager
def granian(threads: LeaderFollowers, count: int) -> Iterator["SimpleQueue[Event | None]"]:
    """Bring events as granian does: in any of its threads that is not in one already."""
    events: SimpleQueue[Event | None] = SimpleQueue()

    def bring() -> None:
        while (event := events.get()) is not None:
            threads.take(event)

    # Daemons, because those that follow wait for ever.
    for _ in range(count):
        threading.Thread(target=bring, daemon=True).start()
    yield events
    for _ in range(count):
        events.put(None)


def test_somebody_else_goes_on_while_one_waits() -> None:
    threads = LeaderFollowers(most=3, waiting=1)
    with granian(threads, 3) as events:
        release, answered = threading.Event(), SimpleQueue[str]()
        events.put(partial(threads.run, partial(release.wait, 30)))
        for word in ("one", "two", "three"):
            events.put(partial(threads.run, partial(answered.put, word)))
            assert answered.get(timeout=30) == word
        release.set()


def test_one_thread_stays_free_and_a_bounded_number_of_jobs_waits() -> None:
    threads = LeaderFollowers(most=3, waiting=1)
    with granian(threads, 3) as events:
        release, begun, taken = threading.Event(), SimpleQueue[bool](), SimpleQueue[bool]()

        def wait() -> None:
            begun.put(True)
            release.wait(30)

        def submit() -> bool:
            taken.put(threads.run(wait))
            return True

        for busy in range(1, 3):
            events.put(partial(threads.run, wait))
            assert begun.get(timeout=30)
            until(lambda busy=busy: threads._busy == busy)
        # Both at work, so the third thread leaves it to them, and refuses what is too much.
        events.put(submit)
        events.put(submit)
        assert [taken.get(timeout=30), taken.get(timeout=30)] == [True, False]
        assert threads.stuck_seconds > 0
        release.set()
        assert begun.get(timeout=30)
