"""A machine with a portal of real processes, to be asked, stopped, killed, and started again."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from urllib.request import Request, urlopen

from app.config import ROOT
from tests.waiting import until

DEADLINE_SECONDS = 60


def living() -> Iterator[tuple[int, int]]:
    """Yield every process that runs, with the one that it belongs to."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(path.parent.name), int(parent)


def below(pid: int) -> set[int]:
    """Return the processes that `pid` has started, and those that these have."""
    children = {child for child, parent in living() if parent == pid}
    return children.union(*map(below, children))


def children(pid: int, command: str) -> list[int]:
    """Return the children of `pid` that run a command of `tessera`, without those that answer requests."""
    return [child for child in _children(pid, command) if not _answers(child)]


def workers(pid: int) -> set[int]:
    """Return the processes of the portal `pid` that answer requests."""
    return {child for child in _children(pid, "web") if _answers(child)}


def _children(pid: int, command: str) -> Iterator[int]:
    for child, parent in living():
        with suppress(OSError):
            if parent == pid and f"\0{command}\0" in Path(f"/proc/{child}/cmdline").read_text():
                yield child


def _answers(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "tessera worker\n"
    return False


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


class Machine:
    """Where `tessera` runs: a data folder, a database, and a port that was free."""

    def __init__(self, folder: Path, url: str) -> None:
        self.port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        self.environ = kept | {
            "DEVELOPMENT": "1",
            "DATA_DIR": str(folder),
            "DATABASE_URL": url,
            "PORT": str(self.port),
            "WORKERS": "2",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, files: int | None = None, **environ: str) -> subprocess.Popen[str]:
        """Start a command, which may have so many files open."""
        process = subprocess.Popen(
            [
                *([] if files is None else ["prlimit", f"--nofile={files}"]),
                sys.executable,
                "-P",
                "-m",
                "app.cli",
                *words,
            ],
            cwd=ROOT,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # So that whatever it leaves behind can be found and ended.
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def serve(self, files: int | None = None, **environ: str) -> tuple[subprocess.Popen[str], str]:
        """Start the portal, wait until all of it is there, and return it with what it says."""
        portal = self.start("serve", files=files, **environ)
        assert portal.stdout
        lines = list(takewhile(lambda line: line != "Ctrl-C stops it.\n", portal.stdout))
        assert portal.poll() is None, portal.communicate()[1]
        # The one that forks, two that answer, and a mail worker.
        until(lambda: len(below(portal.pid)) == 4)
        until(self.answers)
        return portal, "".join(lines)

    def refuses_to_serve(self, **environ: str) -> list[str]:
        """Start a portal that does not start and return what it says about that."""
        process = self.start("serve", **environ)
        said, complaint = process.communicate(timeout=DEADLINE_SECONDS)
        assert (process.returncode, said) == (1, "")
        return complaint.splitlines()

    def answers(self) -> bool:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def allows(self, person: str) -> bool:
        """Ask as a service would whether `person` may open it, and return the decision."""
        question = {
            "subject": {"type": "person", "id": person},
            "action": {"name": "launch"},
            "resource": {"type": "service", "id": "submit-for-assessment"},
        }
        headers = {"Authorization": "Bearer demo-key-submit-for-assessment", "Content-Type": "application/json"}
        asked = Request(f"http://127.0.0.1:{self.port}/authorize", json.dumps(question).encode(), headers)
        with urlopen(asked, timeout=10) as answer:
            return bool(json.load(answer)["decision"])

    def is_port_free(self) -> bool:
        with socket.socket() as trial, suppress(OSError):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", self.port))
            return True
        return False
