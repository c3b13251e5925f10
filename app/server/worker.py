"""One process that answers: granian, the front, and a thread that shows that it answers."""

import http.client
import logging
import os
import resource
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from granian.http import HTTP1Settings

from app.server.connections import close_silent
from app.server.front import Front
from app.server.leader_followers import LeaderFollowers
from app.server.listeners import BACKLOG

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_THREADS = 64
"""Requests that a process answers at a time. Few are in progress at any moment, unless a database or a disk is slow."""
_WAITING = 512
"""Requests that wait for one of these threads; more are refused with a 503."""
_CONNECTIONS = 4096
"""Connections that a process holds; more wait in the kernel. A browser keeps one or more open for a while, so these
belong to the people of the last half minute."""
_OTHER_FILES = 256
"""Other files that a process has open: the database, the log, the modules that it reads."""
_IDLE_MILLISECONDS = 75_000
"""How long a connection may be silent between requests, and may take to send the headers of one: longer than proxies
keep connections, which are 60 seconds where nothing else is set, so that none is closed just when it is used again."""
_HEADER_BYTES = 64 * 1024
"""How large the headers of a request may be."""
_BEAT_SECONDS = 0.1
"""Between two signs of life."""
_SIGNAL_SECONDS = 0.1
"""How long a signal may stay unnoticed."""
_ANSWER_SECONDS = 0.4
"""How long an answer of its own may take until a process is silent. The supervisor decides what that means."""
_BEATS_PER_LOOK = 3
"""After how many signs of life the connections are looked at."""
_LEAVING_SECONDS = 0.5
"""Between the last new connection and the end of those that are idle: whoever has just come gets an answer, and others
learn with theirs that they are to come again over a new connection."""
_STUCK_SECONDS = 15
"""How long all threads may be at work, while others wait, without any of them finishing: longer than a database may
keep a change waiting."""

# The parts that granian's own command line is made of; it would look after processes and sockets in ways of its own.
_granian: Any = import_module("granian._granian")

_log = logging.getLogger(__name__)


class _Loop:
    """What granian needs of an event loop: it says here what has become of a body."""

    def __init__(self, threads: LeaderFollowers) -> None:
        self._threads = threads

    def call_soon_threadsafe(self, callback: Callable[..., bool], *arguments: Any, context: Any = None) -> None:  # noqa: ARG002  (as in asyncio)
        """Go on with something, in a thread of granian."""
        self._threads.take(callback, *arguments)

    def call_soon(self, callback: Callable[..., bool], *arguments: Any, context: Any = None) -> None:  # noqa: ARG002  (as above)
        """Go on with something, in the thread that has brought it about."""
        callback(*arguments)


def serve(
    listener: socket.socket, heartbeat: int, load: "Callable[[Callable[[], None]], WSGIApplication]", *, proxies: int
) -> None:
    """Answer what comes to `listener` with the application that `load` makes, until TERM; then finish what has begun.

    `load` is given what the application calls before it does something that takes long.

    A byte is written to the file descriptor `heartbeat` several times a second as long as this process answers.
    """
    connections = _allow_connections()
    own_path = f"/{secrets.token_urlsafe()}"
    threads = LeaderFollowers(_THREADS, _WAITING)
    address = listener.getsockname()[:2]
    front = Front(load(threads.hand_over), threads, address=address, own_path=own_path, proxies=proxies)
    loop, stop, stopped = _Loop(threads), _granian.WorkerSignal(), threading.Event()
    scheduler = _granian.CallbackScheduler(loop, None, None, None, None)
    scheduler._schedule_fn = partial(threads.take, front.receive)  # noqa: SLF001  (granian sets it so too)
    stop.add_cb(stopped.set)
    nobody = socket.create_server(("127.0.0.1", 0))
    # Granian is told of what comes to the true listener for as long as that lives, and would wait for it here.
    nobody.setblocking(False)  # noqa: FBT003  (the library takes it so)

    def leave(*_: object) -> None:
        front.leave()
        # Granian goes on to listen, but where nobody comes; the connections of the true listener are for others.
        os.dup2(nobody.fileno(), listener.fileno())
        threading.Timer(_LEAVING_SECONDS, stop.set).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    worker = _granian.RSGIWorker(
        os.getpid(),
        (None, _granian.SocketHolder(listener.fileno(), False, BACKLOG)),  # noqa: FBT003  (granian takes them so)
        None,
        threads=1,
        py_threads=_THREADS,
        backpressure=connections,
        # HTTP/2 would let a connection be silent for ever, and leave what it has begun behind.
        http_mode="1",
        http1_opts=HTTP1Settings(header_read_timeout=_IDLE_MILLISECONDS, max_buffer_size=_HEADER_BYTES),
    )
    worker.serve_mtr(scheduler, loop, stop)
    look_after = partial(_look_after, front, threads, address[1], connections)
    beat = threading.Thread(
        target=_beat, args=(address, own_path, heartbeat, look_after), daemon=True, name="heartbeat"
    )
    beat.start()
    # The system may hand a signal to a thread of granian. Python sees to it in this thread, which has to wake for that.
    while not stopped.wait(_SIGNAL_SECONDS):
        pass


def _allow_connections() -> int:
    """Let this process open as many files as it may, and return how many of them can be connections."""
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    return max(limit - _OTHER_FILES, _THREADS)


def _look_after(front: Front, threads: LeaderFollowers, port: int, connections: int) -> None:
    if threads.stuck_seconds > _STUCK_SECONDS:
        _log.error("No thread of a web process has finished anything for %d seconds: it ends.", _STUCK_SECONDS)
        os._exit(1)
    front.end_slow_bodies()
    close_silent(port, connections)


def _beat(address: tuple[str, int], own_path: str, heartbeat: int, look_after: Callable[[], None]) -> None:
    """Write a byte whenever this process has answered a request of its own, which takes the way of all others."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104  (compared, not bound)
    connection: http.client.HTTPConnection | None = None
    for number in count():
        if number % _BEATS_PER_LOOK == 0:
            look_after()
        try:
            connection = connection or http.client.HTTPConnection(host, address[1], timeout=_ANSWER_SECONDS)
            connection.request("GET", own_path)
            with connection.getresponse() as response:
                response.read()
            if response.status != http.HTTPStatus.NO_CONTENT:
                # Another process has taken this connection.
                connection.close()
                connection = None
                continue
            os.write(heartbeat, b".")
        except (OSError, http.client.HTTPException):
            if connection is not None:
                connection.close()
            connection = None
        time.sleep(_BEAT_SECONDS)
