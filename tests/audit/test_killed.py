"""What a process loses that is killed, and one that ends: real ones."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest

from app.audit.queries import find
from tests.conftest import ON_POSTGRESQL
from tests.journeys.portal import Portal

PROGRAM = Path(__file__).with_name("answering.py")
FOR_EVER = 10**9

pytestmark = pytest.mark.slow

Answers = list[tuple[str, float, float]]
"""The number of each, and between which moments it was written down."""


class Answering:
    """A process that answers, and what it has answered so far."""

    def __init__(self, url: str, promise: str, most: int, dies: str) -> None:
        command = [sys.executable, str(PROGRAM), url, promise, str(most), dies]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROGRAM.parents[2])
        self.answers: Answers = []
        self.enough = threading.Event()
        self.refuses = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            # The last line of one that was killed may be half of one: that answer has not been given.
            if line.endswith("\n"):
                number, began, ended = line.split()
                if number == "refused":
                    self.refuses.set()
                else:
                    self.answers.append((number, float(began), float(ended)))
            if len(self.answers) >= 200:
                self.enough.set()
        self.process.stdout.close()

    def kill(self, *, after: int = 200) -> None:
        """End it as a power cut would, in the middle of its work: after so many answers, 200 at least."""
        assert self.enough.wait(60)
        while len(self.answers) < after:
            assert self.process.poll() is None
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended and everything it said was heard."""
        self._reader.join(60)
        return self.process.wait(60)


Start = Callable[..., Answering]


@pytest.fixture
def start(database: None, database_url: str) -> Iterator[Start]:
    """A way to start processes that are gone in the end."""
    started: list[Answering] = []

    def start(promise: str, most: int, dies: str = "") -> Answering:
        started.append(Answering(database_url, promise, most, dies))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.wait()


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Keep everybody else from writing to a SQLite database."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as other:
        other.execute("begin immediate")
        yield


def lost(answers: Answers) -> Answers:
    """Return what was answered and is not in the log, which must be the newest."""
    kept = [find(number) is not None for number, _began, _ended in answers]
    count = kept.count(False)
    assert True in kept
    assert kept == [True] * (len(kept) - count) + [False] * count
    return answers[len(answers) - count :]


def span(missing: Answers) -> float:
    """Return for how long at least the process went on answering while the first of these was not kept."""
    return missing[-1][1] - missing[0][2] if missing else 0


# An answer takes a millisecond or more, and a batch is written every 100.
@pytest.mark.parametrize("answers", [200, 220, 240, 260, 280])
def test_a_killed_process_loses_the_last_200_milliseconds_at_most(start: Start, answers: int) -> None:
    doomed = start("required", FOR_EVER)
    doomed.kill(after=answers)
    assert span(lost(doomed.answers)) <= 0.2


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_process_that_is_killed_while_it_keeps_a_batch_loses_no_more(start: Start, dies: str) -> None:
    doomed = start("required", FOR_EVER, dies)
    assert doomed.wait() == -signal.SIGKILL
    missing = lost(doomed.answers)
    assert dies == "after" or len(missing) >= 10
    assert span(missing) <= 0.2


@pytest.mark.skipif(ON_POSTGRESQL, reason="writers who only append wait for nobody there")
def test_a_process_that_cannot_write_answers_for_200_milliseconds_and_loses_no_more(
    start: Start, database_url: str
) -> None:
    doomed = start("required", FOR_EVER)
    assert doomed.enough.wait(60)
    with locked(database_url.removeprefix("sqlite:///")):
        assert doomed.refuses.wait(60)
        doomed.kill()
    missing = lost(doomed.answers)
    assert missing
    assert span(missing) <= 0.2


def test_a_killed_process_with_a_durable_log_loses_nothing_that_it_answered(start: Start) -> None:
    for _ in range(3):
        doomed = start("durable", FOR_EVER)
        doomed.kill()
        assert lost(doomed.answers) == []


def test_a_process_that_comes_to_its_end_loses_nothing(start: Start) -> None:
    ending = start("required", 50)
    assert ending.wait() == 0
    assert len(ending.answers) == 50
    assert lost(ending.answers) == []


@pytest.fixture
def portal(tmp_path: Path, policy_marker: Path) -> Iterator[Portal]:
    """A portal of its own, which runs."""
    shutil.copy(policy_marker, tmp_path)
    portal = Portal(tmp_path)
    portal.start()
    yield portal
    portal.stop()


def test_a_server_that_is_told_to_stop_loses_nothing_that_it_answered(portal: Portal) -> None:
    for _ in range(20):
        portal.decides("demo-key-submit-for-assessment", "iris-bell", "launch", "submit-for-assessment")
    portal.stop()
    for number in portal.answered[-3:]:
        logged = portal.tessera("decision", number, "--json")
        assert (logged["subject"], logged["reason"]) == ("person:iris-bell", "role_ended")
    assert len(set(portal.answered)) == 20


def test_a_server_that_is_told_to_stop_while_it_cannot_write_says_how_much_it_loses(
    portal: Portal, tmp_path: Path
) -> None:
    with locked(tmp_path / "tessera.db"):
        for _ in range(20):
            # It begins to refuse after a while, and what it refuses it cannot keep either.
            with suppress(HTTPError):
                portal.decides("demo-key-submit-for-assessment", "iris-bell", "launch", "submit-for-assessment")
        portal.stop()
    counts = re.findall(r"the decision log ends and loses (\d+) decisions", (tmp_path / "log").read_text())
    assert sum(map(int, counts)) == 20
