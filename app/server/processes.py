"""Processes that belong together: a child ends with its parent, however the parent ends.

Linux only; elsewhere what outlives its parent has to be stopped by hand.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_RUNNING = "R"
"""What Linux calls the state of threads that run or want to."""
_WAITS_FOR_DISK = "D"
_GONE = "X"


def end_with(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Have this process sent the signal `number` as soon as `parent`, whose child it is, is gone; even if killed."""
    _prctl(_PR_SET_PDEATHSIG, int(number))
    # It may have gone before it could be watched.
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Become the parent of the processes that children of this one start, once these children have ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """Give this process a name of up to 15 bytes, for those who look at the processes of a machine."""
    _prctl(_PR_SET_NAME, name.encode())


def wants_processor(pid: int) -> bool:
    """Return whether a thread of a process waits for a processor, or a disk: then it is slow rather than hanging."""
    return any(_state(path) in (_RUNNING, _WAITS_FOR_DISK) for path in Path(f"/proc/{pid}/task").glob("*/stat"))


def thread_wants_processor(native_id: int | None) -> bool:
    """Return whether a thread of this process runs, or waits for a processor."""
    return _state(Path(f"/proc/self/task/{native_id}/stat")) == _RUNNING


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return _GONE


def _prctl(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
