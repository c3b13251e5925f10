"""Measure and write the tables: `make bench`, or `make bench PART=decisions` for one part."""

import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks import results, rounds

PARTS = {
    "decisions": "benchmarks.decisions",
    "throughput": "benchmarks.throughput",
    "revocation": "benchmarks.revocation",
    "hostile": "benchmarks.hostile",
    "pages": "benchmarks.pages",
    "metrics": "benchmarks.metrics",
    "regression": "benchmarks.regression",
    "profile": "benchmarks.request_profile",
}
"""The module of each part, in the order in which they are measured."""

_IDLE = 0.1
_ATTEMPTS = 60
_SAMPLE_SECONDS = 2


def wait_for_idle() -> float:
    """Wait until the processors are nearly idle, and return the share that is still busy.

    For two minutes at most; a trial does not wait.
    """
    for _ in range(1 if rounds.IS_TRIAL else _ATTEMPTS):
        busy = _busy_share()
        if busy < _IDLE:
            break
    return busy


def _busy_share() -> float:
    begun = _ticks()
    time.sleep(_SAMPLE_SECONDS)
    busy, total = (end - begin for end, begin in zip(_ticks(), begun, strict=True))
    return busy / total


def _ticks() -> tuple[int, int]:
    """Return how long the processors have been busy, and how long they have been there."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def main(names: list[str]) -> None:
    """Measure the parts with these names, or all of them."""
    unknown = set(names) - set(PARTS)
    if unknown:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}: PART can be {', '.join(PARTS)}.")
    for name in names or PARTS:
        busy = wait_for_idle()
        print(f"\n{name} (processors {busy:.0%} busy before)", flush=True)
        measured = import_module(PARTS[name]).measure()
        print("\n".join(result.row() for result in measured))
        if rounds.IS_TRIAL:
            print("ROUNDS or ROUND_SECONDS was given, so this was a trial: nothing is written.")
        elif measured:
            results.write(name, measured, busy)


if __name__ == "__main__":
    main(sys.argv[1:])
