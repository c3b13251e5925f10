"""`tessera serve` and `tessera mail` as real processes: started, stopped, killed, and started again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.accounts.models import Person
from app.authz.lint.verify import MARKER
from app.config import ROOT
from app.mail.models import Mail, MailState
from app.mail.operations import queue
from app.organisations.models import Organisation
from tests.cli.conftest import CommandLine
from tests.cli.test_adding import organisation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc"),
]

_DEADLINE_SECONDS = 60


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


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
    """Return the children of `pid` that run a command of `tessera`."""
    return [
        child
        for child, parent in living()
        if parent == pid and f"\0{command}\0" in Path(f"/proc/{child}/cmdline").read_text()
    ]


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

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.cli", *words],
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

    def serve(self) -> tuple[subprocess.Popen[str], str]:
        """Start the portal, wait until all of it is there, and return it with what it says."""
        portal = self.start("serve")
        assert portal.stdout
        lines = list(takewhile(lambda line: line != "Ctrl-C stops it.\n", portal.stdout))
        assert portal.poll() is None, portal.communicate()[1]
        # A web server with two processes of its own, and a mail worker.
        until(lambda: len(below(portal.pid)) == 4)
        until(self.answers)
        return portal, "".join(lines)

    def refuses_to_serve(self, **environ: str) -> list[str]:
        """Start a portal that does not start and return what it says about that."""
        process = self.start("serve", **environ)
        said, complaint = process.communicate(timeout=_DEADLINE_SECONDS)
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


@pytest.fixture
def machine(database_url: str, tmp_path: Path, policy_marker: Path) -> Iterator[Machine]:
    """A machine on which nothing is left behind, and whose policy was checked before."""
    shutil.copy(policy_marker, tmp_path)
    machine = Machine(tmp_path, database_url)
    yield machine
    for process in machine.started:
        for pid in {process.pid, *below(process.pid)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def test_one_signal_ends_everything_in_good_order(machine: Machine) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        portal, said = machine.serve()
        assert said.startswith(f"Tessera is at http://127.0.0.1:{machine.port}\n")
        assert "Sign in with the password" in said
        assert not machine.is_port_free()
        family = below(portal.pid)
        portal.send_signal(number)
        assert portal.communicate(timeout=_DEADLINE_SECONDS) == ("", "")
        assert portal.returncode == 0
        assert not family & {pid for pid, _parent in living()}
        assert machine.is_port_free()


def test_three_that_start_at_once_in_an_empty_place_all_serve_one_cast(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / MARKER).unlink()
    portals = [machine.start("serve", PORT=str(free_port())) for _ in range(3)]
    # What a portal says last, it says once it has read from the database how to sign in.
    serving = [portal for portal in portals if portal.stdout and "Ctrl-C stops it.\n" in portal.stdout]
    failed = [portal.communicate() for portal in portals if portal not in serving]
    assert not failed


def test_a_killed_portal_leaves_nothing_behind_and_starts_again_with_its_data(
    machine: Machine, tessera: CommandLine, database: None
) -> None:
    portal, _said = machine.serve()
    people = Person.select().count()
    tessera.does(*organisation())
    secret = (Path(machine.environ["DATA_DIR"]) / "secret-key").read_text()
    family = below(portal.pid)
    portal.kill()
    portal.wait()
    until(lambda: not family & {pid for pid, _parent in living()})
    assert machine.is_port_free()
    machine.serve()
    assert Person.select().count() == people + 1
    assert Organisation.select().where(Organisation.name == "Hill School").count() == 1
    assert (Path(machine.environ["DATA_DIR"]) / "secret-key").read_text() == secret


def test_whatever_is_killed_comes_back(machine: Machine, database: None) -> None:
    portal, _said = machine.serve()
    [web], [mail] = children(portal.pid, "web"), children(portal.pid, "mail")
    workers = below(web)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(below(web) - workers) == 2 and machine.answers())

    workers = below(web)
    os.kill(web, signal.SIGKILL)
    until(lambda: not workers & {pid for pid, _parent in living()})
    until(machine.answers)

    os.kill(mail, signal.SIGKILL)
    written = queue("ada@example.org", "Hello", "Text")
    until(lambda: Mail.get_by_id(written.id).state == MailState.SENT)
    assert mail not in children(portal.pid, "mail")

    portal.terminate()
    complaint = portal.communicate(timeout=_DEADLINE_SECONDS)[1].splitlines()
    assert "The web server ended by itself and is started again." in complaint
    assert "The mail worker ended by itself and is started again." in complaint


@pytest.mark.one_database
def test_a_web_process_that_comes_back_decides_by_the_rules_that_were_checked(
    machine: Machine, cast: None, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    machine.environ["POLICIES_DIR"] = str(folder)
    portal, _said = machine.serve()
    assert not machine.allows("iris-bell")
    path = folder / "service.polar"
    path.write_text(path.read_text() + '\nhas_permission(_person: Person, "launch", _service: Service);\n')
    [web] = children(portal.pid, "web")
    workers = below(web)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(below(web) - workers) == 2 and machine.answers())
    # Both web processes are to be met.
    assert [machine.allows("iris-bell") for _ in range(20)] == [False] * 20

    path.write_text("not even Polar")
    family = {web, *below(web)}
    os.kill(web, signal.SIGKILL)
    until(lambda: not family & {pid for pid, _parent in living()})
    until(machine.answers)
    assert [machine.allows("iris-bell") for _ in range(20)] == [False] * 20


IDLE = b"GET /health HTTP/1.1\r\nHost: portal\r\n\r\n"
SLOW = (
    b"POST /sign-in HTTP/1.1\r\nHost: portal\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\naddress="
)
UNFINISHED = b"GET /sign-in HTTP/1.1\r\nHost: por"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("connections", "said"), [(200, IDLE), (40, SLOW), (200, UNFINISHED)], ids=["idle", "slow", "unfinished"]
)
def test_connections_that_ask_nothing_keep_nobody_waiting(
    machine: Machine, database: None, connections: int, said: bytes
) -> None:
    machine.serve()
    with ExitStack() as held:
        for _ in range(connections):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", machine.port)))
            connection.sendall(said)
        # Both web processes are to be met.
        assert [machine.answers() for _ in range(20)] == [True] * 20


@pytest.mark.one_database
def test_a_taken_port_is_said_in_one_sentence(machine: Machine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        [line] = machine.refuses_to_serve()
    assert line == (
        f"Error: Port {machine.port} is in use: stop the other program or choose another port "
        f"with PORT={machine.port + 1 if machine.port < 65535 else machine.port - 1}."
    )
    [line] = machine.refuses_to_serve(HOST="192.0.2.1", REACHABLE_DEVELOPMENT="1")
    assert line == "Error: HOST 192.0.2.1 is not an address of this machine: 127.0.0.1 always is."


@pytest.mark.one_database
def test_of_two_that_start_at_once_on_one_port_one_serves(machine: Machine, tmp_path: Path) -> None:
    portals = [
        machine.start("serve", DATA_DIR=str(tmp_path / name), DATABASE_URL=f"sqlite:///{tmp_path / name}.db")
        for name in ("one", "other")
    ]
    until(lambda: any(portal.poll() is not None for portal in portals))
    [refused] = [portal for portal in portals if portal.poll() is not None]
    said, complaint = refused.communicate()
    assert (refused.returncode, said) == (1, "")
    assert complaint.startswith(f"Error: Port {machine.port} is in use: ")
    until(machine.answers)


@pytest.mark.one_database
def test_a_policy_with_findings_is_not_served(machine: Machine, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    path = folder / "service.polar"
    path.write_text(path.read_text().replace("resource Service {", "resource Service"))
    finding, refusal = machine.refuses_to_serve(POLICIES_DIR=str(folder))
    assert finding.startswith(f"{path}:5:3: polar-syntax: ")
    assert refusal == "Error: The server does not start, because its policy has the findings above."


_STOPPED_AT_THE_WORST_MOMENT = """
import os, signal
from app.cli.mail import mail
from app.mail import worker

def run(stop):
    with stop._cond:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(10)

worker.run = run
mail([])
"""


def test_the_mail_worker_stops_whenever_it_is_told_to(machine: Machine, database: None) -> None:
    command = [sys.executable, "-c", _STOPPED_AT_THE_WORST_MOMENT]
    assert subprocess.run(command, cwd=ROOT, env=machine.environ, timeout=30, check=False).returncode == 0


def test_mail_is_sent_until_the_worker_is_stopped(machine: Machine, database: None) -> None:
    written = queue("ada@example.org", "Hello", "Text")
    worker = machine.start("mail")
    until(lambda: Mail.get_by_id(written.id).state == MailState.SENT)
    worker.terminate()
    assert worker.wait(_DEADLINE_SECONDS) == 0
