"""What is served: an application as it was loaded at one moment. And the processes that are started from a command."""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from app.server.fork_server import READY, WorkerPipe

_log = logging.getLogger(__name__)

_REST_SECONDS = 1.0
"""Between the end of a helper and its restart, so that one that ends at once does not keep the machine busy."""


class Child:
    """One supervised process that is started from a command."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], kept: Sequence[int] = ()) -> None:
        self.name = name
        self._command = [*command, "--parent", str(os.getpid())]
        self._environ = os.environ | environ
        self._kept = kept
        self.start()

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C at the terminal is for the supervisor alone."""
        self._ended_at: float | None = None
        self._is_wanted_to_end = False
        self.process = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._kept,
        )

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self.process.poll() is not None

    def is_to_be_restarted(self) -> bool:
        """Return whether it has ended, and rested."""
        if not self.has_ended():
            return False
        if self._is_wanted_to_end:
            return True
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            _log.warning("The %s ended by itself and is started again.", self.name)
        return time.monotonic() - self._ended_at >= _REST_SECONDS

    def terminate(self) -> None:
        """Ask it to end."""
        if not self.has_ended():
            self.process.terminate()

    def restart(self, environ: dict[str, str]) -> None:
        """Ask it to end, and start it again once it has, with `environ` from then on."""
        self._environ = os.environ | environ
        self._is_wanted_to_end = True
        self.terminate()

    def end(self, deadline: float) -> None:
        """Wait until it has ended after a TERM; from `deadline` on, kill it."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Release:
    """An application as it was loaded at one moment, by a fork server that can be started again.

    `command` is that of the fork server, which also gets `--control FD`; `environ` says what is loaded. `on_close` is
    called when nobody needs what is loaded any more.
    """

    def __init__(self, command: list[str], environ: dict[str, str], on_close: Callable[[], None]) -> None:
        self.environ = environ
        self._command = command
        self._on_close = on_close
        self.is_ready = False
        self._was_ready = False
        self._start()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)  # noqa: FBT003  (the library takes it so)
        number = theirs.fileno()
        self._server = Child("web server", [*self._command, "--control", str(number)], self.environ, [number])
        theirs.close()

    def look(self) -> None:
        """Note that the fork server has become ready; start it again if it has ended since."""
        if self._was_ready and self._server.is_to_be_restarted():
            self._control.close()
            self.is_ready = False
            self._start()
        elif not self.is_ready:
            with suppress(OSError):
                self.is_ready = self._was_ready = self._control.recv(len(READY)) == READY

    def has_failed(self) -> bool:
        """Return whether it could not be loaded."""
        return not self._was_ready and self._server.has_ended()

    def worker(self, listener: socket.socket) -> WorkerPipe | None:
        """Return the pipe to a worker that is being started, or nothing while there is no fork server to do it."""
        with suppress(OSError):
            return WorkerPipe(self._control, listener)
        return None

    def close(self) -> None:
        """End the fork server."""
        self._server.process.kill()
        self._server.process.wait()
        self._control.close()
        self._on_close()
