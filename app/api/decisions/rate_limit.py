"""How much one client may ask of one process, so that a program that runs wild does not keep the others waiting."""

from functools import cache
from threading import Lock
from time import monotonic

from app.api.errors import ApiError
from app.authz.information.cache import Caller
from app.config import BURST_SECONDS, settings


class Allowance:
    """Questions that each client may still ask: `per_second` come in evenly, and are saved up for two seconds.

    0 sets no limit. The count is of this process: with two, a client may ask twice as much.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._most = per_second * BURST_SECONDS
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def take(self, client: str, questions: int) -> None:
        """Count `questions` that `client` (`client:ID`) is about to be answered. Raises `ApiError` 429."""
        if not self._per_second:
            return
        now = monotonic()
        with self._lock:
            left, since = self._left.get(client, (self._most, now))
            left = min(self._most, left + (now - since) * self._per_second)
            enough = left >= questions
            self._left[client] = (left - questions if enough else left, now)
        if not enough:
            raise ApiError(
                429,
                f"This key asks more than {self._per_second:,} questions a second. Take it as a no, and ask again in a"
                " moment.",
                headers={"Retry-After": "1"},
            )


def count(client: Caller, questions: int = 1) -> None:
    """Count `questions` that `client` is about to be answered by this process. Raises `ApiError` 429."""
    _allowance(settings().rate_limit).take(client.reference, questions)


@cache
def _allowance(per_second: int) -> Allowance:
    """Return the one that this process counts by."""
    return Allowance(per_second)
