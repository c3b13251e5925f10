"""The one place that asks what time it is.

Times are UTC and aware. A day is a day at a place: the last day of a role ends at midnight in the
organisation's own time zone, also on the days when the clocks change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from time import monotonic
from time import time as seconds
from zoneinfo import ZoneInfo

CLOCKS_DIFFER = timedelta(minutes=5)
"""By how much the clocks of two machines may differ. What is further ahead comes from a clock that was wrong."""
_STEADY_SECONDS = 600
_JUMP_SECONDS = 5

_pinned: ContextVar[datetime | None] = ContextVar("pinned", default=None)


def now() -> datetime:
    """Return the present moment in UTC, or the pinned one."""
    return _pinned.get() or datetime.now(UTC)


def timestamp() -> float:
    """Return the present moment, or the pinned one, in seconds since 1970."""
    moment = _pinned.get()
    return seconds() if moment is None else moment.timestamp()


@contextmanager
def pinned(moment: datetime) -> Iterator[None]:
    """Make `now()` answer `moment` (aware) inside the block, so that one decision has one clock."""
    token = _pinned.set(moment)
    try:
        yield
    finally:
        _pinned.reset(token)


class _Steadiness:
    """How long the clock of this machine has gone without a jump, as far as this process has seen."""

    def __init__(self) -> None:
        self._difference = inf
        self._since = 0.0

    def is_steady(self) -> bool:
        count = monotonic()
        difference = seconds() - count
        if abs(difference - self._difference) > _JUMP_SECONDS:
            self._difference, self._since = difference, count
        return count - self._since > _STEADY_SECONDS


_steadiness = _Steadiness()


def is_steady() -> bool:
    """Return whether the clock has not jumped for ten minutes; before, nothing is undone because of what it says."""
    return _steadiness.is_steady()


def start_of_day(day: date, time_zone: str) -> datetime:
    """Return the UTC moment at which `day` begins in `time_zone` (an IANA name)."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def end_of_day(day: date, time_zone: str) -> datetime:
    """Return the first UTC moment after `day` in `time_zone`."""
    return start_of_day(day + timedelta(days=1), time_zone)


def today(time_zone: str) -> date:
    """Return the present day in `time_zone`."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def in_words(day: date) -> str:
    """Return `day` as people write it, such as 3 May 2027."""
    return f"{day.day} {day:%B %Y}"
