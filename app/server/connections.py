"""Looks after the connections of a process, as the kernel knows them: silent ones do not use up what all need."""

import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_MANY = 3 / 4
"""From this share of the allowed connections on, those that have been silent longest end, until half are left."""
_SILENT_SECONDS = 0.5
"""Only who has been silent for so long is ended. Whoever has something to say says it earlier."""
_ESTABLISHED = 1
_TCP_INFO = struct.Struct("@B43xI4xI72xQ")
"""Of `struct tcp_info` the state, the milliseconds since something was sent and since something was received, and how
many bytes were received."""


class _Silent(NamedTuple):
    """A silent connection. The order is that in which they end.

    First those that have said nothing yet, then those that have had their answer, then those whose client spoke last
    and may wait for one; of each the longest silent first.
    """

    has_spoken: bool
    waits: bool
    heard_seconds: float
    """When something was heard last, in seconds before now, and so negative."""
    descriptor: int


def close_silent(port: int, most: int) -> None:
    """End connections to `port` that are silent, if there are nearly `most` of them. To be called every now and then.

    Linux only; elsewhere they end when their time is over.
    """
    if sys.platform != "linux":
        return
    descriptors = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    if len(descriptors) < most * _MANY:
        return
    silent = [one for one in (_silent(descriptor, port) for descriptor in descriptors) if one]
    for one in sorted(silent)[: len(descriptors) - most // 2]:
        _silent(one.descriptor, port, is_to_end=True)


def _silent(descriptor: int, port: int, *, is_to_end: bool = False) -> _Silent | None:
    """Look at a file descriptor, and return the silent connection that it stands for; end it, if it is to end."""
    with suppress(OSError), _Handle(descriptor) as handle:
        info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        state, sent, received, size = _TCP_INFO.unpack(info)
        if state == _ESTABLISHED and received > _SILENT_SECONDS * 1000 and handle.getsockname()[1] == port:
            if is_to_end:
                handle.shutdown(socket.SHUT_RDWR)
            return _Silent(size > 0, received <= sent, -received / 1000, descriptor)
    return None


class _Handle(socket.socket):
    """A handle of our own to a connection: granian may close its own at any moment, and the number be used again."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=os.dup(descriptor))
