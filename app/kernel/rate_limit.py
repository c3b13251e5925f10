"""Limits how much each client may ask for, so that a program that runs wild does not keep others waiting."""

from threading import Lock
from time import monotonic

from app.config import BURST_SECONDS


class RateLimitedError(Exception):
    """The client has used up its tokens for the moment."""


class TokenBuckets:
    """A token bucket for each client: `rate` tokens a second come in evenly, and two seconds' worth can be saved up.

    A rate of 0 sets no limit. The buckets are those of this process: with two processes a client may ask twice as much.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._capacity = rate * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}
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
            raise RateLimitedError(
                f"Rate limit exceeded: {self._rate:,} evaluations per second for this key. Take it as a no, and ask"
                " again in a moment."
            )
