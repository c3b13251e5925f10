"""Measure, and write the tables: `make bench`, or `make bench PART=decisions`."""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import results

PARTS = ("decisions", "asking", "revocation", "pages")


def main() -> None:
    """Measure the parts that are named, or all of them."""
    for part in sys.argv[1:] or PARTS:
        load = os.getloadavg()[0]
        print(f"\n{part} (load {load:.2f})", flush=True)
        results.keep(part, importlib.import_module(part).measure(), load)


if __name__ == "__main__":
    main()
