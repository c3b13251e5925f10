"""A database that is away or busy: how that is told from a mistake of ours, and said once instead of each time."""

import logging

import peewee
from playhouse.pool import MaxConnectionsExceeded

from app.kernel.database import release_idle
from app.kernel.log import Throttle
from app.kernel.metrics import database_errors

_SQLITE_ERROR = 1
"""What SQLite says of a statement that it does not understand (`SQLITE_ERROR`)."""

_log = Throttle(logging.getLogger(__name__))


class DatabaseAwayError(Exception):
    """The database was not reached a moment ago, or somebody still waits for it."""


def is_outage(error: Exception) -> bool:
    """Return whether `error` says that the database cannot be used at the moment."""
    if isinstance(error, DatabaseAwayError | MaxConnectionsExceeded):
        return True
    if not isinstance(error, peewee.OperationalError | peewee.InterfaceError):
        return False
    cause = getattr(error, "orig", None)
    if cause is not None:
        return getattr(cause, "sqlite_errorcode", None) != _SQLITE_ERROR
    # Of peewee's own, one says that the file is gone, and another one that we forgot to connect.
    return isinstance(error, peewee.OperationalError)


def note_outage(error: Exception) -> None:
    """Log an outage, every ten seconds at most, and give up the connections that it may have cut."""
    database_errors.inc()
    if not isinstance(error, DatabaseAwayError):
        release_idle()
    _log.error("the database cannot be used: %s", str(error).partition("\n")[0].strip() or type(error).__name__)
