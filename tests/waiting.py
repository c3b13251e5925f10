"""Waiting until something happens that another process or thread does."""

from collections.abc import Callable
from time import monotonic, sleep


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    """Return once `is_so`. Fails after `seconds`."""
    end = monotonic() + seconds
    while not is_so():
        assert monotonic() < end, "it did not happen"
        sleep(0.02)
