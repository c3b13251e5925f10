"""`tessera serve` and `tessera mail` as real processes: started, stopped, killed, and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.accounts.models import Person
from app.authz.lint.verify import MARKER
from app.config import ROOT
from app.mail.models import Mail, MailState
from app.mail.operations import queue
from app.organisations.models import Organisation
from tests.cli.conftest import CommandLine
from tests.cli.test_adding import organisation
from tests.machine import DEADLINE_SECONDS, Machine, below, children, free_port, living, workers
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc"),
]


def test_one_signal_ends_everything_in_good_order(machine: Machine) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        portal, said = machine.serve()
        assert said.startswith(f"Tessera is at http://127.0.0.1:{machine.port}\n")
        assert "Sign in with the password" in said
        assert not machine.is_port_free()
        family = below(portal.pid)
        portal.send_signal(number)
        assert portal.communicate(timeout=DEADLINE_SECONDS) == ("", "")
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
    before = workers(portal.pid)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(workers(portal.pid) - before) == 2 and machine.answers())

    # Those who answer outlive the one who has started them.
    before = workers(portal.pid)
    os.kill(web, signal.SIGKILL)
    until(lambda: children(portal.pid, "web") not in ([], [web]))
    assert workers(portal.pid) == before
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers(portal.pid) - before) == 1 and machine.answers())

    os.kill(mail, signal.SIGKILL)
    written = queue("ada@example.org", "Hello", "Text")
    until(lambda: Mail.get_by_id(written.id).state == MailState.SENT)
    assert mail not in children(portal.pid, "mail")

    portal.terminate()
    complaint = [line.partition(": ")[2] for line in portal.communicate(timeout=DEADLINE_SECONDS)[1].splitlines()]
    assert "A web process ended by itself. Another one takes its place." in complaint
    assert "The web server ended by itself and is started again." in complaint
    assert "The mail worker ended by itself and is started again." in complaint


@pytest.mark.one_database
def test_a_web_process_that_comes_back_decides_by_the_rules_that_were_checked(
    machine: Machine, cast: None, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    machine.environ["POLICIES_DIR"] = str(folder)
    portal, _said = machine.serve()
    (folder / "service.polar").write_text("not even Polar")
    for _ in range(2):
        before = workers(portal.pid)
        for process in (*before, *children(portal.pid, "web")):
            os.kill(process, signal.SIGKILL)
        until(lambda before=before: len(workers(portal.pid) - before) == 2 and machine.answers())
        # Both web processes are to be met.
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

def run(self, stop):
    with stop._cond:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(10)

worker.Worker.run = run
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
    assert worker.wait(DEADLINE_SECONDS) == 0
