"""What processes write to standard error: one form for all of them, and never more than a disk can take."""

import json
import logging
import os
import re
import secrets
import sys
import threading
import time
from contextvars import ContextVar
from time import monotonic
from types import TracebackType
from typing import Any

from app.config import LogFormat

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S"
_INTERVAL_SECONDS = 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_OWN_ID = "tessera.request_id"

_log = logging.getLogger(__name__)

request: ContextVar[dict[str, Any] | None] = ContextVar("request", default=None)
"""The WSGI environment of the request that this thread answers, or has answered last."""


class _Text(logging.Formatter):
    """A line for people: when (UTC), how grave, which module, what, and in which request."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(_FORMAT, _DATE_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's own)
        """Return the line without the traceback."""
        identity = _request_id()
        return f"{super().formatMessage(record)}{f' [request {identity}]' if identity else ''}"


class _Json(logging.Formatter):
    """A JSON object on a line, for programs."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(datefmt=_DATE_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        members: dict[str, Any] = {
            "time": f"{self.formatTime(record, self.datefmt)}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        identity = _request_id()
        if identity:
            members["request_id"] = identity
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members)


def configure() -> None:
    """Have every line of this process say when it was written, how grave it is, and which module wrote it.

    The setting LOG_FORMAT is looked up at once, because reading the others may have to be logged. Does nothing where
    somebody else, such as another web server, has said how lines look.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if is_for_programs() else _Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("app").setLevel(logging.INFO)
    if is_for_programs():
        # What Python would write as it is: a program that reads line by line would stumble.
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda caught: _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
        sys.unraisablehook = lambda caught: _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def is_for_programs() -> bool:
    """Return whether programs read what processes write to standard error, so that each line has to be JSON."""
    return os.environ.get("LOG_FORMAT") == LogFormat.JSON


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    _log.critical("an error that nothing caught: %s", kind.__name__, exc_info=(kind, error or kind(), traceback))


def _request_id() -> str:
    """Return the id of the request: the one that it brought along, or one that is made when it is first needed."""
    environ = request.get()
    if environ is None:
        return ""
    brought = str(environ.get("HTTP_X_REQUEST_ID", ""))
    if _REQUEST_ID.fullmatch(brought):
        return brought
    return str(environ.setdefault(_OWN_ID, secrets.token_hex(8)))


class Throttle:
    """Writes to `log`, but what would come again and again only once in ten seconds, with how often it came."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
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


def in_words(error: Exception) -> str:
    """Return what the log says of an error: what the system says, or its type, because a message may be personal."""
    return getattr(error, "strerror", None) or type(error).__name__
