"""The sockets at which connections come in. They outlive those who answer, so that no connection is refused."""

import socket
import sys
from typing import Any

BACKLOG = 1024
"""How many connections wait in the kernel, for each socket, until a worker takes them."""
_UNACKNOWLEDGED_MILLISECONDS = 20_000
"""How long a client may take nothing of what it is sent: then its connection ends, as if it was gone."""


def open_listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Return `count` sockets that share a port among them, each for one worker.

    A worker that has just come, or that has a processor for itself, would take most connections of a single socket.
    Raises OSError if nobody can listen there, `socket.gaierror` if there is no such host.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    # Another program might let the port be shared with us.
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)
    return [_listener(family, address) for _ in range(count)]


def _listener(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # What is set here holds for the connections too.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MILLISECONDS)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener
