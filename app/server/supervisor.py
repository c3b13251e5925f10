"""The supervisor: keeps workers and helpers running, brings in new releases, and stops all of it together.

It holds the listening sockets, so that whatever happens to a worker, connections wait for the next one and none is
refused. Opens no thread.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from app.server.processes import adopt_orphans
from app.server.release import Child, Release
from app.server.slot import SHUTDOWN_SECONDS, Slot

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 0.2
"""What counts at most as time between two looks: when the machine is so busy that the supervisor does not get to look,
the others do not get to do anything either, and are not silent."""


class Supervisor:
    """Supervises one web process for each of `listeners`, and `helpers`, which are commands.

    `load` starts to load the application, and `reload` does when it may have changed, after a HUP. Every command gets
    `--parent PID` at its end, so that it can end with us.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        helpers: dict[str, list[str]],
        load: Callable[[], Release],
        reload: Callable[[], Release],
    ) -> None:
        self._slots = [Slot(listener) for listener in listeners]
        self._helper_commands = helpers
        self._load = load
        self._reload = reload
        self._stopping = False
        self._is_reload_wanted = False
        self._next: Release | None = None
        self._of_before: list[Release] = []
        """Those whose workers have not all finished yet."""

    def run(self, announce: Callable[[], None]) -> int:
        """Run everything until INT or TERM; `announce` once the portal answers. Returns the exit code."""
        adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_stop)
        # A terminal that is closed says HUP too, and then nobody is there any more.
        signal.signal(signal.SIGHUP, self._on_stop if os.isatty(0) else self._on_reload)
        self._release = self._load()
        self._helpers = [Child(name, command, self._release.environ) for name, command in self._helper_commands.items()]
        try:
            if not self._has_started():
                return 0 if self._stopping else 1
            announce()
            sys.stdout.flush()
            self._look_until(lambda: self._stopping)
            return 0
        finally:
            self._stop()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._is_reload_wanted = True

    def _has_started(self) -> bool:
        """Return whether a worker came to answer; not if one ended before that, or we are to stop."""

        def answers() -> bool:
            return any(slot.worker is not None and slot.worker.answers for slot in self._slots)

        def has_failed() -> bool:
            return self._release.has_failed() or any(slot.failed_starts for slot in self._slots)

        self._look_until(lambda: self._stopping or answers() or has_failed())
        if not answers() and not self._stopping:
            _log.error("The web server did not start; what it said is above.")
        return answers()

    def _look_until(self, is_over: Callable[[], object]) -> None:
        before = time.monotonic()
        while not is_over():
            # To wait for signals of the end of a process instead, these would have to be blocked, in the children too.
            time.sleep(_LOOK_SECONDS)
            before, seconds = time.monotonic(), min(time.monotonic() - before, _LONGEST_LOOK_SECONDS)
            self._release.look()
            for slot in self._slots:
                slot.look(seconds, self._release)
            for helper in self._helpers:
                if helper.is_to_be_restarted():
                    helper.start()
            if self._of_before and not any(slot.retired for slot in self._slots):
                self._of_before.pop().close()
            if self._next is not None:
                self._look_at(self._next)
            elif self._is_reload_wanted:
                self._is_reload_wanted = False
                self._next = self._reload()

    def _look_at(self, following: Release) -> None:
        """Bring in the release that follows: first it is loaded, then each slot gets a worker of it, then all change.

        If any of that fails, the release of before goes on, without having stopped.
        """
        following.look()
        if following.has_failed():
            self._give_up(following)
        elif not following.is_ready:
            return
        elif not any(slot.is_held for slot in self._slots):
            for slot in self._slots:
                slot.withdraw()
                slot.successor, slot.is_held = slot.start(following), True
        elif any(slot.successor is None for slot in self._slots):
            self._give_up(following)
        elif all(slot.successor is not None and slot.successor.answers for slot in self._slots):
            for slot in self._slots:
                slot.replace()
            self._of_before.append(self._release)
            self._release, self._next = following, None
            for helper in self._helpers:
                helper.restart(following.environ)
            _log.info("The new release answers.")

    def _give_up(self, following: Release) -> None:
        for slot in self._slots:
            if slot.is_held:
                slot.withdraw()
        following.close()
        self._next = None
        _log.error("The new release does not start; what it said is above. The one of before goes on.")

    def _stop(self) -> None:
        for slot in self._slots:
            # Whoever comes now is refused at once, and can ask another machine; otherwise they would wait for nobody.
            slot.listener.close()
        workers = [worker for slot in self._slots for worker in slot.all()]
        for worker in workers:
            worker.terminate()
        for helper in self._helpers:
            helper.terminate()
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while not all(worker.has_ended for worker in workers):
            for worker in workers:
                worker.look(0.0)
            time.sleep(_LOOK_SECONDS)
        for helper in self._helpers:
            helper.end(deadline)
        for release in (self._release, self._next, *self._of_before):
            if release is not None:
                release.close()
