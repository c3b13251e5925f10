"""Files: those that editors and systems leave beside those of people, and what survives the loss of power."""

import os
from pathlib import Path

_BEGINNINGS = (".", "#")
_ENDINGS = ("~",)
_NAMES = frozenset({"Thumbs.db", "desktop.ini"})


def is_left_over(path: Path) -> bool:
    """Return whether an editor or a system left this file: a lock, a copy of before, a folder of a mounted volume."""
    return path.name.startswith(_BEGINNINGS) or path.name.endswith(_ENDINGS) or path.name in _NAMES


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` survive the loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
