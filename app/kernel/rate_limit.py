"""Limits how much each client may ask for, so that a program that runs wild does not keep others waiting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from threading import Lock, get_ident
from time import monotonic, thread_time

from app.config import BURST_SECONDS
from app.kernel.metrics import rate_limited

FREE_SECONDS = 0.002
"""What takes less is paid for by the tokens that it took before."""
_QUEUE = 16
"""How many long requests of a client may be in progress in one process, one of which has its turn."""
_TURN_SECONDS = 2.0
"""How long one may wait for its turn."""
_TOO_MANY = "This key asks for too many long answers at once. Take it as a no, and ask for one after the other."
_SECONDS_FOR_ONE = 4
"""How many seconds' worth of tokens a second of processor time takes."""
_DEBT_SECONDS = 20
"""How many seconds' worth of tokens a client may owe: what a batch takes that goes on until its time is over."""


class RateLimitedError(Exception):
    """The client has used up its tokens for the moment; in `seconds` it will have enough for the same again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class TokenBuckets:
    """A token bucket for each client: `rate` tokens a second come in evenly, and two seconds' worth can be saved up.

    A question takes a token before it is answered, and what turns out to take long takes more afterwards: a second of
    processor time as many as come in within four seconds, so that no client has more than a quarter of a processor for
    long. What is long is answered in turn.

    A rate of 0 sets no limit. The buckets are those of this process: with two processes a client may ask twice as much.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._capacity = rate * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}
        self._turns: dict[str, tuple[Lock, int]] = {}
        """For each client that is answered something long: whose turn it is, and how many wait for it or have it."""
        self._having: dict[str, int] = {}
        """The threads that have the turns."""
        self._lock = Lock()
        self.before_long: Callable[[], None] = lambda: None
        """Called before something long is answered, so that the server has another thread answer what is quick."""

    def take(self, client: str, tokens: int) -> None:
        """Take a token for each evaluation that `client` (`client:ID`) asks for. Raises `RateLimitedError`."""
        if not self._rate:
            return
        now = monotonic()
        with self._lock:
            left, since = self._buckets.get(client, (self._capacity, now))
            left = min(self._capacity, left + (now - since) * self._rate)
            enough = left >= tokens
            self._buckets[client] = (left - tokens if enough else left, now)
        if not enough:
            rate_limited.labels(client).inc()
            missing = tokens - left
            raise RateLimitedError(
                f"Rate limit exceeded: {self._rate:,} evaluations per second for this key. Take it as a no, and ask"
                " again in a moment.",
                max(1, ceil(missing / self._rate)),
            )

    @contextmanager
    def paid(self, client: str, tokens: int) -> Iterator[None]:
        """Have `client` pay for a block: the tokens at first, and afterwards what it took beyond them.

        So it has to hold all that is done for a request, to read it included; also for one that is refused in the end.
        """
        started = thread_time()
        self.take(client, tokens)
        try:
            yield
        finally:
            self.charge_since(started, client)

    def charge_since(self, started: float, client: str) -> None:
        """Charge `client` for the processor time since `started`, unless it is paid for by tokens."""
        seconds = thread_time() - started
        if seconds > FREE_SECONDS:
            self.charge(client, seconds)

    def charge(self, client: str, seconds: float) -> None:
        """Take tokens for the processor time (in seconds) that something took, also those that are not there."""
        if not self._rate:
            return
        now = monotonic()
        with self._lock:
            left, since = self._buckets.get(client, (self._capacity, now))
            debt = left + (now - since) * self._rate - seconds * self._rate * _SECONDS_FOR_ONE
            self._buckets[client] = (min(self._capacity, max(debt, -self._rate * _DEBT_SECONDS)), now)

    @contextmanager
    def in_turn(self, client: str) -> Iterator[None]:
        """Answer something long for `client`, after what is being answered for it already.

        Threads of a process share one interpreter: eight long answers at once would have everybody else wait for eight
        turns. Nests: a long body may hold a search. Raises `RateLimitedError` if too many wait, or for too long.
        """
        self.before_long()
        if not self._rate or self._having.get(client) == get_ident():
            yield
            return
        with self._lock:
            turn, waiting = self._turns.get(client) or (Lock(), 0)
            is_full = waiting >= _QUEUE
            if not is_full:
                self._turns[client] = (turn, waiting + 1)
        if is_full:
            rate_limited.labels(client).inc()
            raise RateLimitedError(_TOO_MANY, 1)
        try:
            if not turn.acquire(timeout=_TURN_SECONDS):
                rate_limited.labels(client).inc()
                raise RateLimitedError(_TOO_MANY, 1)
            try:
                self._having[client] = get_ident()
                yield
            finally:
                del self._having[client]
                turn.release()
        finally:
            with self._lock:
                turn, waiting = self._turns[client]
                if waiting == 1:
                    del self._turns[client]
                else:
                    self._turns[client] = (turn, waiting - 1)
