"""What a process loses that is killed, and one that ends: real ones."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from app.audit import decision_store, journal
from app.audit.decision_mover import move_all
from app.audit.queries import find
from tests.conftest import ON_POSTGRESQL
from tests.journeys.portal import Portal
from tests.logged import logged
from tests.waiting import until

PROGRAM = Path(__file__).with_name("answering.py")
FOR_EVER = 10**9

pytestmark = pytest.mark.slow

Answers = list[tuple[str, float, float]]
"""The number of each, and between which moments it was written down."""


class Answering:
    """A process that answers, and what it has answered so far."""

    def __init__(self, *words: str, prefix: Sequence[str]) -> None:
        command = [*prefix, sys.executable, str(PROGRAM), *words]
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
def start(database: None, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """A way to start processes that are gone in the end."""
    started: list[Answering] = []

    def start(promise: str, most: int = FOR_EVER, dies: str = "", prefix: Sequence[str] = ()) -> Answering:
        started.append(Answering(str(tmp_path), database_url, promise, str(most), dies, prefix=prefix))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.wait()


@contextmanager
def locked_store() -> Iterator[None]:
    """Keep everybody from writing to where decisions are kept."""
    with decision_store._open(decision_store._current()) as store, store.atomic():
        if ON_POSTGRESQL:
            store.execute_sql("lock table decision_batch in access exclusive mode")
        yield


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """Have a disk of its own at `folder`, and a way to fill it, which returns one to make room."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=False)
    if done.returncode:
        pytest.skip("no disk can be mounted here")

    def fill() -> Callable[[], None]:
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        return (folder / "filler").unlink

    try:
        yield fill
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


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
    doomed = start("required")
    doomed.kill(after=answers)
    assert span(lost(doomed.answers)) <= 0.2


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_process_that_is_killed_while_it_keeps_a_batch_loses_no_more(start: Start, dies: str) -> None:
    doomed = start("required", dies=dies)
    assert doomed.wait() == -signal.SIGKILL
    missing = lost(doomed.answers)
    assert dies == "after" or len(missing) >= 10
    assert span(missing) <= 0.2


@pytest.mark.parametrize("promise", ["required", "durable"])
def test_a_process_whose_database_cannot_be_written_answers_on_and_what_it_leaves_is_moved_once(
    start: Start, promise: str
) -> None:
    with locked_store():
        doomed = start(promise)
        doomed.kill(after=300)
        assert not doomed.refuses.is_set()
        missing = lost(doomed.answers)
        assert len(journal.segments()) > 0
    assert span(missing) <= 0.2
    assert promise == "required" or missing == []
    # By whichever process comes next; killed in the middle, that would be done again.
    segments = [(journal.writer_of(path), list(journal.frames(path))) for path in journal.segments()]
    move_all()
    for writer, frames in segments:
        decision_store.keep(writer, frames)
    assert journal.segments() == []
    kept = [record.id for record in logged()]
    assert len(set(kept)) == len(kept) >= len(doomed.answers) - len(missing)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the disk slow")
@pytest.mark.parametrize("promise", ["required", "durable"])
def test_a_slow_disk_refuses_nothing(start: Start, promise: str) -> None:
    delay = "--inject=fsync,fdatasync:delay_enter=500000"
    slow = start(promise, 8 if promise == "durable" else 1500, prefix=("strace", "-f", "-qq", "-o", "/dev/null", delay))
    assert slow.wait() == 0
    assert not slow.refuses.is_set()
    assert lost(slow.answers) == []


def test_a_killed_process_with_a_durable_log_loses_nothing_that_it_answered(start: Start) -> None:
    for _ in range(3):
        doomed = start("durable")
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


@pytest.mark.one_database
def test_a_full_disk_is_said_whether_or_not_anybody_asks_and_over_when_there_is_room(
    tmp_path: Path, policy_marker: Path
) -> None:
    with disk(tmp_path / "disk", 40_000_000) as fill:
        shutil.copy(policy_marker, tmp_path / "disk")
        portal = Portal(tmp_path / "disk")
        portal.start()
        try:
            asked = [asks(portal) for _ in range(3)]
            make_room = fill()
            until(lambda: health(portal) == 503)
            # What a killed process may lose is still answered.
            until(lambda: asks(portal) == 503)
            make_room()
            until(lambda: health(portal) == 200)
            until(lambda: asks(portal) == 200)
            assert asked == [200] * 3
            # Each look is a process of its own.
            for number in {*portal.answered[:3], *portal.answered[-3:]}:
                assert portal.tessera("decision", number, "--json")["id"] == number
        finally:
            portal.stop()


def asks(portal: Portal) -> int:
    with suppress(HTTPError):
        portal.decides("demo-key-submit-for-assessment", "iris-bell", "launch", "submit-for-assessment")
        return 200
    return 503


def health(portal: Portal) -> int:
    try:
        with urlopen(f"{portal.address}/health", timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
