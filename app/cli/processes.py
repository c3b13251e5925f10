"""Processes that belong together: a child ends with its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with(parent: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Have this process sent the signal `number` as soon as `parent`, which started it, is gone; even if killed.

    Linux only; elsewhere an outlived process has to be stopped by hand.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))
    # It may have gone before it could be watched.
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
