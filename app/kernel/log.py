"""What processes write to standard error: one form for all of them, and never more than a disk can take."""

import logging
import time
from threading import Lock
from time import monotonic

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
_INTERVAL_SECONDS = 10


def configure() -> None:
    """Have every line of this process say when it was written (UTC), how grave it is, and which module wrote it.

    Does nothing where somebody else, such as another web server, has said how lines look.
    """
    formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("app").setLevel(logging.INFO)


class Throttle:
    """Writes to `log`, but what would come again and again only once in ten seconds, with how often it came."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = Lock()
        self._next_at = 0.0
        self._left_out = 0

    def error(self, message: str, *args: object) -> None:
        """Write an error, or count it."""
        self._write(logging.ERROR, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Write a warning, or count it."""
        self._write(logging.WARNING, message, args)

    def _write(self, level: int, message: str, args: tuple[object, ...]) -> None:
        with self._lock:
            if monotonic() < self._next_at:
                self._left_out += 1
                return
            self._next_at = monotonic() + _INTERVAL_SECONDS
            left_out, self._left_out = self._left_out, 0
        self._log.log(level, f"{message}%s", *args, f" ({left_out} times more before)" if left_out else "")
