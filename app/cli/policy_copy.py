"""A copy of policy and pack, from which the web server loads them again after a crash, whatever is being edited."""

import fcntl
import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from app.config import Settings
from app.kernel.files import is_left_over

_PREFIX = "serving-"


class PolicyCopy:
    """What a portal with `settings` is to decide by, copied as it is now. To be closed."""

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(prefix=_PREFIX, dir=settings.data_dir))
        # Held until this process ends, however it does.
        self._lock = _locked(self._folder)
        policies = self._folder / "policies"
        _copy_files(settings.policies_dir, policies)
        pack = settings.pack_dir and self._folder / "pack" / settings.pack_dir.name
        if settings.pack_dir and pack:
            _copy_files(settings.pack_dir, pack)
        self.settings = replace(settings, policies_dir=policies, pack_dir=pack)
        """Those that name the copy."""

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that name the copy, for a process that reads its settings for itself."""
        environ = {"POLICIES_DIR": str(self.settings.policies_dir)}
        if self.settings.pack_dir is not None:
            environ |= {"PACK_DIR": str(self.settings.pack_dir), "PACK_DATA_DIR": str(self.settings.data_dir)}
        return environ

    def close(self) -> None:
        """Delete the copy."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def remove_left_over_copies(data_dir: Path) -> None:
    """Delete the copies that killed processes have left behind."""
    for folder in data_dir.glob(f"{_PREFIX}*"):
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Return a file descriptor that holds the lock of a folder, or nothing if another process does."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _copy_files(source: Path, target: Path) -> None:
    """Copy what people wrote: a link as the file that it leads to, and one that leads nowhere as it is.

    Volumes of containers consist of links, and what was checked is what has to be served.
    """
    target.mkdir(parents=True)
    for path in source.iterdir():
        if is_left_over(path):
            continue
        if path.is_dir():
            _copy_files(path, target / path.name)
        elif path.exists():
            shutil.copyfile(path, target / path.name)
        else:
            (target / path.name).symlink_to(path.readlink())
