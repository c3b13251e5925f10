"""The supervisor: starts several processes, restarts one that ends by itself, and stops them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import click

_LOOK_SECONDS = 0.1
_REST_SECONDS = 1
"""Between the end of a process and its restart, so that one that ends at once does not keep the machine busy."""
_SHUTDOWN_SECONDS = 6
"""How long the processes may take to stop; longer than the web server gives its requests."""


class Child:
    """One supervised process."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str]) -> None:
        self.name = name
        self._command = [*command, "--parent", str(os.getpid())]
        self._environ = os.environ | environ
        self._ended_at: float | None = None
        self.start()

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C at the terminal is for the supervisor alone."""
        self._ended_at = None
        self.process = subprocess.Popen(
            self._command, env=self._environ, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self.process.poll() is not None

    def restart_if_ended(self) -> None:
        """Start it again, after a rest, if it has ended."""
        if not self.has_ended():
            return
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            click.echo(f"The {self.name} ended by itself and is started again.", err=True)
        elif time.monotonic() - self._ended_at >= _REST_SECONDS:
            self.start()

    def stop(self, deadline: float) -> None:
        """Wait until it has ended after a TERM; from `deadline` on, end it."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """Supervises a web server, given as a command that listens at `place`, and its `helpers`.

    Every command gets `--parent PID` at its end, so that it can end with us, and `environ` on top of our environment.
    Opens no thread.
    """

    def __init__(
        self, web: list[str], helpers: dict[str, list[str]], place: tuple[str, int], environ: dict[str, str]
    ) -> None:
        self._commands = {"web server": web} | helpers
        self._place = place
        self._environ = environ
        self._stopping = False

    def run(self, announce: Callable[[], None]) -> int:
        """Run everything until INT, TERM or HUP; `announce` once the web server answers. Returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        children = [Child(name, command, self._environ) for name, command in self._commands.items()]
        try:
            if not self._wait_for(children[0]):
                return 0 if self._stopping else 1
            announce()
            sys.stdout.flush()
            while not self._stopping:
                for child in children:
                    child.restart_if_ended()
                # To wait for signals of their end instead, these would have to be blocked, in the children too.
                time.sleep(_LOOK_SECONDS)
            return 0
        finally:
            self._stop(children)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _wait_for(self, web: Child) -> bool:
        """Return whether the web server came to answer; not if it ended before or we are to stop."""
        while not self._stopping:
            if web.has_ended():
                click.echo("Error: The web server did not start; what it said is above.", err=True)
                return False
            with suppress(OSError), socket.create_connection(self._place, timeout=1):
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    @staticmethod
    def _stop(children: list[Child]) -> None:
        for child in children:
            if not child.has_ended():
                child.process.terminate()
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        for child in children:
            child.stop(deadline)
