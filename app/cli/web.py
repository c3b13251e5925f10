"""`tessera web`: the web server that `tessera serve` looks after."""

import gc
import os
import resource
import signal
import sys
from functools import partial
from typing import Any

import click
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from app.audit import decision_log
from app.authz.engine.engine import Engine
from app.authz.lint.verify import verify_settings
from app.cli.processes import end_with
from app.config import read_settings
from app.factory import create_app, start_sampling

_THREADS = 64
"""Requests that one web process answers at a time. Few are in progress at any moment, but a client that sends a form
slowly keeps a thread waiting."""
_CONNECTIONS = 4096
"""Connections that one web process holds; more wait in the kernel. A browser keeps one or more open for a while, so
these belong to the people of the last half minute."""
_OTHER_FILES = 256
"""Other files that a web process has open: the database, the log, the modules that it reads."""
_HEADER_MILLISECONDS = 10_000
"""How long a connection may take to send the headers of a request."""
_SWITCH_SECONDS = 0.001
"""How long one thread may keep the others from running: a fifth of what Python gives it, because most answers take less
and would wait for each long one. `make bench PART=hostile` measures what that does."""
_SHUTDOWN_SECONDS = 5
"""How long requests in progress may take to finish when the server stops, and the decision log after them."""


@click.command(hidden=True)
@click.option("--address", required=True, help="The numeric address to listen at.")
@click.option("--parent", type=int, required=True, help="The process that this one must not outlive.")
def web(address: str, parent: int) -> None:
    """Answer requests until stopped.

    The web processes are forked from this one: they share what it has imported, and it opens no database and no thread.
    """
    end_with(parent)
    settings = read_settings()
    server = Granian(
        "wsgi:app",
        address=address,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=_THREADS,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        respawn_failed_workers=True,
        workers_kill_timeout=_SHUTDOWN_SECONDS,
        # Addresses of pages and of people do not belong in a log; what happened is in the events.
        log_access=False,
        log_level=LogLevels.error,
        # Its lines look like all others.
        log_dictconfig={"loggers": {}},
    )
    # Loaded once, for all of them and for those that take their place.
    load = partial(_load, os.getpid(), verify_settings(settings))
    # To look for garbage writes to all that is looked at, and it would not be shared any more.
    gc.collect()
    gc.freeze()
    server.serve(target_loader=load, wrap_loader=False)


def _connections() -> int:
    """Let this process and its children open as many files as they may, and return how many can be connections."""
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    return max(limit - _OTHER_FILES, _THREADS)


def _load(starter: int, engine: Engine) -> Any:
    """Make the application, in the web process itself."""
    # The one who watches over the web processes may be killed too, and the port must be free after that.
    end_with(starter, signal.SIGKILL)
    app = create_app(engine=engine)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Old decisions are deleted even if no more requests come.
    decision_log.current().start()
    start_sampling()
    return app
