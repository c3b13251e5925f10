"""The fork server: loads an application once, and forks a worker whenever the supervisor asks for one.

The workers share what has been loaded, and become children of the supervisor: they outlive the fork server.
"""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable

from app.server.processes import end_with, set_name

READY = b"ready"
"""What the fork server says to the supervisor when it can fork."""
_PID_BYTES = 4
_MOST_DESCRIPTORS = 2

Work = Callable[[socket.socket, int], None]
"""What a worker does, with a listener and the file descriptor of its heartbeat."""


class WorkerPipe:
    """The supervisor's end of a pipe to a worker: its process id, then a byte for each heartbeat, then its end."""

    def __init__(self, control: socket.socket, listener: socket.socket) -> None:
        """Ask the fork server at the other end of `control` for a worker. Raises OSError if it is gone."""
        self._end, theirs = os.pipe()
        os.set_blocking(self._end, False)
        try:
            socket.send_fds(control, [b"w"], [listener.fileno(), theirs])
        except OSError:
            self.close()
            raise
        finally:
            os.close(theirs)
        self.pid: int | None = None
        self.has_ended = False
        self._received = b""

    def beats(self) -> int:
        """Return how many heartbeats have come since the last call."""
        beats = 0
        while not self.has_ended:
            try:
                received = os.read(self._end, 4096)
            except BlockingIOError:
                break
            if not received:
                self.has_ended = True
            if self.pid is not None:
                beats += len(received)
                continue
            self._received += received
            if len(self._received) >= _PID_BYTES:
                self.pid = int.from_bytes(self._received[:_PID_BYTES], "big")
                beats += len(self._received) - _PID_BYTES
        return beats

    def close(self) -> None:
        """Close this end."""
        os.close(self._end)


def run(control: socket.socket, supervisor: int, work: Work) -> None:
    """Fork until the supervisor is gone. Returns in each worker, when its work is done."""
    # To look for garbage writes to all that is looked at, and it would not be shared any more.
    gc.collect()
    gc.freeze()
    control.send(READY)
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(control, 1, _MOST_DESCRIPTORS)
        if not message:
            return
        listener, heartbeat = descriptors
        middle = os.fork()
        if middle == 0:
            _fork_twice(control, supervisor, socket.socket(fileno=listener), heartbeat, work)
            return
        os.close(listener)
        os.close(heartbeat)
        os.waitpid(middle, 0)


def _fork_twice(control: socket.socket, supervisor: int, listener: socket.socket, heartbeat: int, work: Work) -> None:
    """Fork once more, and return in the new process, a child of the supervisor, when its work is done."""
    middle = os.getpid()
    worker = os.fork()
    if worker != 0:
        os.write(heartbeat, worker.to_bytes(_PID_BYTES, "big"))
        os._exit(0)
    while os.getppid() == middle:
        time.sleep(0.001)
    control.close()
    set_name("tessera worker")
    # The port must be free as soon as the supervisor is gone.
    end_with(supervisor, signal.SIGKILL)
    work(listener, heartbeat)
