"""Web processes that die or hang, and policies that change, while a portal is asked all the time."""

import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from app.config import ROOT
from app.server.slot import SHUTDOWN_SECONDS
from tests.machine import DEADLINE_SECONDS, Machine, children, free_port, living, workers
from tests.waiting import until

pytestmark = pytest.mark.slow

_LONGEST_SECONDS = 5
"""How long a question may take while something is being replaced. On a quiet machine it takes less than one."""


class Asked:
    """What came of asking one question after the other, over a new connection each time."""

    def __init__(self) -> None:
        self.count = 0
        self.refused: list[str] = []
        self.broken: list[str] = []
        self.longest = 0.0


@contextmanager
def asked_all_the_time(machine: Machine) -> Iterator[Asked]:
    """Ask in several threads while the block runs."""
    asked, over = Asked(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            begun = time.monotonic()
            try:
                machine.allows("thomas-reed")
            except OSError as error:
                is_refused = isinstance(error, URLError) and isinstance(error.reason, ConnectionRefusedError)
                # Otherwise it was being answered when its process died.
                (asked.refused if is_refused else asked.broken).append(str(error))
            asked.longest = max(asked.longest, time.monotonic() - begun)
            asked.count += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_others_answer_while_a_process_that_hangs_is_replaced(machine: Machine, database: None) -> None:
    portal, _said = machine.serve()
    with asked_all_the_time(machine) as asked:
        stopped = min(workers(portal.pid))
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: stopped not in workers(portal.pid) and len(workers(portal.pid)) == 2)
        enough = asked.count + 100
        until(lambda: asked.count > enough)
    assert (asked.refused, asked.longest < _LONGEST_SECONDS) == ([], True)


def test_no_connection_is_refused_when_a_process_dies_again_and_again(machine: Machine, database: None) -> None:
    portal, _said = machine.serve()
    healthy = max(workers(portal.pid))
    with asked_all_the_time(machine) as asked:
        for _ in range(5):
            [dying] = workers(portal.pid) - {healthy}
            os.kill(dying, signal.SIGKILL)
            until(lambda dying=dying: dying not in workers(portal.pid) and len(workers(portal.pid)) == 2)
            enough = asked.count + 20
            until(lambda enough=enough: asked.count > enough)
    assert healthy in workers(portal.pid)
    assert (asked.refused, asked.longest < _LONGEST_SECONDS) == ([], True)


def said(portal: "subprocess.Popen[str]") -> str:
    """Return the next line about a release: on a busy machine the portal may also say that a process is late."""
    assert portal.stderr
    return next(line for line in portal.stderr if "does not answer" not in line)


def test_a_portal_that_is_asked_all_the_time_ends_soon_and_leaves_nobody_waiting(
    machine: Machine, database: None
) -> None:
    portal, _said = machine.serve()
    with asked_all_the_time(machine) as asked:
        until(lambda: asked.count > 100)
        begun = time.monotonic()
        portal.terminate()
        portal.wait(DEADLINE_SECONDS)
        took = time.monotonic() - begun
    # None had to be killed, and whoever came too late was refused at once.
    assert (took < SHUTDOWN_SECONDS, asked.longest < SHUTDOWN_SECONDS, bool(asked.refused)) == (True, True, True)


def test_a_new_policy_comes_in_without_a_question_lost(machine: Machine, database: None, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    portal, _said = machine.serve(POLICIES_DIR=str(folder))
    rules = folder / "service.polar"
    text = rules.read_text()
    with asked_all_the_time(machine) as asked:
        rules.write_text("not even Polar")
        portal.send_signal(signal.SIGHUP)
        assert said(portal).startswith(f"{rules}:1:1: polar-syntax: ")
        assert "does not start" in said(portal)
        assert " ERROR app.server.supervisor: The new release does not start" in said(portal)
        assert machine.allows("thomas-reed")
        before = workers(portal.pid)

        rules.write_text(text + "\n# changed\n")
        portal.send_signal(signal.SIGHUP)
        assert said(portal).endswith(" INFO app.server.supervisor: The new release answers.\n")
        until(lambda: len(workers(portal.pid)) == 2 and not workers(portal.pid) & before)
    assert (asked.refused, asked.broken, asked.longest < _LONGEST_SECONDS) == ([], [], True)
    until(lambda: len(list(tmp_path.glob("serving-*"))) == 1)
    until(lambda: children(portal.pid, "mail"))
    # Whatever comes back now has the new rules.
    for process in (*workers(portal.pid), *children(portal.pid, "web")):
        os.kill(process, signal.SIGKILL)
    until(machine.answers)


def test_a_program_can_read_every_line_of_the_log(machine: Machine, database: None, tmp_path: Path) -> None:
    machine.environ["LOG_FORMAT"] = "json"
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    portal = machine.start("serve", POLICIES_DIR=str(folder))
    lines = LinesOfLog(portal)
    # Whichever it speaks on first: nothing may come on the other.
    assert select.select([portal.stdout, portal.stderr], [], [], DEADLINE_SECONDS)[0] == [portal.stderr]
    lines.until("Tessera is at ")
    until(lambda: len(workers(portal.pid)) == 2)
    os.kill(min(workers(portal.pid)), signal.SIGKILL)
    lines.until("A web process ended by itself. ")
    os.kill(children(portal.pid, "mail")[0], signal.SIGKILL)
    lines.until("The mail worker ended by itself ")
    rules = folder / "service.polar"
    text = rules.read_text()
    rules.write_text("not even Polar")
    portal.send_signal(signal.SIGHUP)
    lines.until(f"{rules}:1:1: polar-syntax: ")
    lines.until("The new release does not start; ")
    rules.write_text(text)
    portal.send_signal(signal.SIGHUP)
    lines.until("The new release answers.")
    # A second one finds the port taken, and a third is called by a name that does not exist.
    for words, wanted in ((("serve",), "is in use"), (("serve", "--nothing"), "No such option")):
        refused = machine.start(*words)
        said, complaint = refused.communicate(timeout=DEADLINE_SECONDS)
        assert (refused.returncode > 0, said) == (True, "")
        assert wanted in json.loads(complaint)["message"]
    portal.terminate()
    assert lines.portal.stdout
    assert lines.portal.stdout.read() == ""
    lines.rest()


class LinesOfLog:
    """The lines of a portal, each of which has to be JSON."""

    def __init__(self, portal: "subprocess.Popen[str]") -> None:
        self.portal = portal

    def until(self, beginning: str) -> None:
        """Read as far as a message that begins so."""
        assert any(message.startswith(beginning) for message in self._following()), beginning

    def rest(self) -> None:
        """Read to the end."""
        deque(self._following(), maxlen=0)

    def _following(self) -> Iterator[str]:
        assert self.portal.stderr
        for text in self.portal.stderr:
            line = json.loads(text)
            assert {"time", "level", "logger", "message", "process"} <= set(line)
            yield line["message"]


def test_nothing_is_left_of_a_portal_that_was_killed(machine: Machine, database: None, tmp_path: Path) -> None:
    portal, _said = machine.serve()
    os.kill(min(workers(portal.pid)), signal.SIGSTOP)
    family = workers(portal.pid) | {*children(portal.pid, "web"), *children(portal.pid, "mail")}
    [left_over] = tmp_path.glob("serving-*")
    portal.kill()
    portal.wait()
    # Also those that were stopped, which would keep the port.
    until(lambda: not family & {pid for pid, _parent in living()})
    assert machine.is_port_free()
    portal, _said = machine.serve()
    [copy] = tmp_path.glob("serving-*")
    assert copy != left_over
    # What is in use by another portal stays.
    other = machine.start("serve", PORT=str(free_port()))
    assert other.stdout
    assert "Ctrl-C stops it.\n" in other.stdout
    assert copy in set(tmp_path.glob("serving-*"))
    other.terminate()
    other.communicate(timeout=DEADLINE_SECONDS)
    assert list(tmp_path.glob("serving-*")) == [copy]


def test_what_is_in_the_data_folder_is_for_nobody_else(machine: Machine, database: None, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    machine.environ |= {"DATA_DIR": str(folder), "DATABASE_URL": f"sqlite:///{folder}/tessera.db"}
    machine.serve()
    found = [folder, *folder.rglob("*")]
    assert len(found) > 5
    assert [path for path in found if path.stat().st_mode & 0o077] == []
