"""Whether there is room on the disks that a portal writes to, asked whether or not anything has to be written."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from time import monotonic

_TRIED_BYTES = 256 * 1024
"""More than what still fits into the last block of a file on a disk that is full for everybody else."""
_LITTLE_BYTES = 1 << 30
_INTERVAL_SECONDS = 1


class DiskCheck:
    """Tries, at most once a second, whether the disks of some folders have room."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next_at = 0.0
        self._warnings: list[str] = []
        self._error: OSError | None = None

    def warnings(self, folders: Iterable[Path]) -> list[str]:
        """Return a sentence for each folder whose disk has little room. Raises OSError when one has none."""
        with self._lock:
            if monotonic() >= self._next_at:
                self._next_at = monotonic() + _INTERVAL_SECONDS
                self._try([folder for folder in dict.fromkeys(folders) if folder.exists()])
            if self._error is not None:
                raise self._error
            return self._warnings

    def _try(self, folders: list[Path]) -> None:
        try:
            for folder in folders:
                with TemporaryFile(dir=folder) as file:
                    os.posix_fallocate(file.fileno(), 0, _TRIED_BYTES)
        except OSError as error:
            self._error = error
            return
        self._error = None
        self._warnings = [warning for folder in folders if (warning := little_room(folder))]


def little_room(folder: Path) -> str:
    """Return a sentence if the disk of `folder` has little room, nothing otherwise."""
    free = shutil.disk_usage(folder).free
    return f"The disk of {folder} has {free:,} bytes left." if free < _LITTLE_BYTES else ""
