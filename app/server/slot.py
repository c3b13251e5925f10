"""The place of one worker at one listener: whoever answers there is watched, and replaced when it dies or hangs."""

import logging
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field

from app.server.fork_server import WorkerPipe
from app.server.processes import wants_processor
from app.server.release import Release

_log = logging.getLogger(__name__)

_SILENT_SECONDS = 0.4
"""After so much silence another worker is started. The silent one may go on: it finishes what it has begun."""
_HANGS_SECONDS = 0.8
"""After so much silence a worker that does not even want the processor is killed."""
_LOST_SECONDS = 10.0
"""After so much silence any worker is killed."""
_START_HANGS_SECONDS = 5.0
"""The same for a worker that starts, which may wait for a database."""
_START_SECONDS = 60.0
"""How long a worker may take to start."""
_LONGEST_REST_SECONDS = 10.0
"""Between two workers that end before they have answered anything; it doubles up to here. One that has answered is
replaced at once, because connections wait for it."""
SHUTDOWN_SECONDS = 6.0
"""How long a process may take to stop, with what it has begun."""


class WebProcess:
    """A process that answers, or did."""

    def __init__(self, pipe: WorkerPipe) -> None:
        self._pipe = pipe
        self._terminated_at: float | None = None
        self._is_signalled = False
        """Whether it knows that it is to end: one that is being forked has no number yet for a signal to go to."""
        self.answers = False
        """Whether it has answered yet."""
        self.silent_seconds = 0.0
        self.has_ended = False

    def look(self, seconds: float) -> None:
        """Note what has become of it in the last `seconds`."""
        self.silent_seconds += seconds
        if self._pipe.beats():
            self.answers = True
            self.silent_seconds = 0.0
        if self._terminated_at is not None:
            self._tell()
        if self._pipe.has_ended and not self.has_ended:
            self.has_ended = self._is_gone()
        elif self._hangs():
            self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to finish what it has begun, and to end."""
        if self._terminated_at is None:
            self._terminated_at = time.monotonic()
            self._tell()

    def close(self) -> None:
        """Let go of the pipe to it."""
        self._pipe.close()

    def _hangs(self) -> bool:
        if self._terminated_at is not None and time.monotonic() - self._terminated_at > SHUTDOWN_SECONDS:
            return True
        hangs, lost = (_HANGS_SECONDS, _LOST_SECONDS) if self.answers else (_START_HANGS_SECONDS, _START_SECONDS)
        if self.silent_seconds > lost:
            return True
        pid = self._pipe.pid
        return self.silent_seconds > hangs and pid is not None and not wants_processor(pid)

    def _tell(self) -> None:
        if not self._is_signalled and self._pipe.pid is not None:
            self._is_signalled = True
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._pipe.pid is not None and not self.has_ended:
            with suppress(ProcessLookupError):
                os.kill(self._pipe.pid, number)

    def _is_gone(self) -> bool:
        """Return whether it has ended, and let the system forget it."""
        if self._pipe.pid is None:
            return True
        try:
            return os.waitpid(self._pipe.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True


@dataclass
class Slot:
    """The place of one worker at one listener: who answers, who is to answer instead, and who is still finishing."""

    listener: socket.socket
    worker: WebProcess | None = None
    successor: WebProcess | None = None
    retired: list[WebProcess] = field(default_factory=list)
    is_held: bool = False
    """Whether the successor waits until those of the other slots answer too."""
    failed_starts: int = 0
    start_at: float = 0.0

    def all(self) -> list[WebProcess]:
        """Return all workers of this slot."""
        return [one for one in (self.worker, self.successor, *self.retired) if one is not None]

    def look(self, seconds: float, release: Release) -> None:
        """See to it, `seconds` after the last look, that somebody answers here."""
        for one in self.all():
            one.look(seconds)
            if one.has_ended:
                self._bury(one)
        if self.successor is not None:
            if self.successor.answers and not self.is_held:
                self.replace()
        elif self.worker is None:
            if time.monotonic() >= self.start_at:
                self.worker = self.start(release)
        elif self.worker.answers and self.worker.silent_seconds > _SILENT_SECONDS:
            self.successor = self.start(release)
            _log.warning("A web process does not answer. Another one takes its place.")

    def start(self, release: Release) -> WebProcess | None:
        """Return a worker of a release that is being started for this place, if that is possible now."""
        pipe = release.worker(self.listener)
        return None if pipe is None else WebProcess(pipe)

    def replace(self) -> None:
        """Have the successor answer, and the worker of before finish."""
        if self.worker is not None:
            self._retire(self.worker)
        self.worker, self.successor, self.is_held = self.successor, None, False

    def withdraw(self) -> None:
        """Do without the successor."""
        if self.successor is not None:
            self._retire(self.successor)
        self.successor, self.is_held = None, False

    def _retire(self, worker: WebProcess) -> None:
        worker.terminate()
        self.retired.append(worker)

    def _bury(self, worker: WebProcess) -> None:
        worker.close()
        if worker in self.retired:
            self.retired.remove(worker)
            return
        _log.warning("A web process ended by itself. Another one takes its place.")
        if worker is self.successor:
            self.successor = None
            return
        self.worker = None
        if not self.is_held:
            self.worker, self.successor = self.successor, None
        if worker.answers:
            self.failed_starts = 0
        else:
            self.start_at = time.monotonic() + min(_LONGEST_REST_SECONDS, 2.0**self.failed_starts)
            self.failed_starts += 1
