"""Measure, and write the tables: `make bench`, or `make bench PART=decisions`."""

import importlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import results

_LITTLE = 0.5

PARTS = ("decisions", "asking", "revocation", "pages")


def settled() -> float:
    """Wait until the machine has little else to do, for two minutes at most, and return its load."""
    for _ in range(24):
        if os.getloadavg()[0] < _LITTLE:
            break
        time.sleep(5)
    return os.getloadavg()[0]


def main() -> None:
    """Measure the parts that are named, or all of them."""
    for part in sys.argv[1:] or PARTS:
        load = settled()
        print(f"\n{part} (load {load:.2f})", flush=True)
        results.keep(part, importlib.import_module(part).measure(), load)


if __name__ == "__main__":
    main()
