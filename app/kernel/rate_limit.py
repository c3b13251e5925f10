"""Limits how much each client may ask for, so that a program that runs wild does not keep others waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from threading import Lock
from time import monotonic

from app.config import BURST_SECONDS

FREE_SECONDS = 0.002
"""What takes less is paid for by the tokens that it took before."""
_SECONDS_FOR_ONE = 4
"""How many seconds' worth of tokens a second of processor time takes."""


class RateLimitedError(Exception):
    """The client has used up its tokens for the moment; in `seconds` it will have enough for the same again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class TokenBuckets:
    """A token bucket for each client: `rate` tokens a second come in evenly, and two seconds' worth can be saved up.

    A question takes a token before it is answered, and what turns out to take long takes more afterwards: a second of
    processor time as many as come in within four seconds, so that no client has more than a quarter of a processor for
    long. Searches and explanations are answered one at a time.

    A rate of 0 sets no limit. The buckets are those of this process: with two processes a client may ask twice as much.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._capacity = rate * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}
        self._busy: set[str] = set()
        self._lock = Lock()

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
            missing = tokens - left
            raise RateLimitedError(
                f"Rate limit exceeded: {self._rate:,} evaluations per second for this key. Take it as a no, and ask"
                " again in a moment.",
                max(1, ceil(missing / self._rate)),
            )

    def charge(self, client: str, seconds: float) -> None:
        """Take tokens for the processor time (in seconds) that something took, also those that are not there."""
        if not self._rate:
            return
        now = monotonic()
        with self._lock:
            left, since = self._buckets.get(client, (self._capacity, now))
            debt = left + (now - since) * self._rate - seconds * self._rate * _SECONDS_FOR_ONE
            self._buckets[client] = (min(self._capacity, max(debt, -self._capacity)), now)

    @contextmanager
    def one_at_a_time(self, client: str) -> Iterator[None]:
        """Answer something long for `client`. Raises `RateLimitedError` while another is being answered for it."""
        if not self._rate:
            yield
            return
        with self._lock:
            if client in self._busy:
                raise RateLimitedError(
                    "This key is being answered a search or an explanation already; ask for one after the other.", 1
                )
            self._busy.add(client)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(client)
