"""Part `regression`: an older commit and the working tree, measured in turn in one run.

The older commit is that of the environment variable BASE. It is checked out beside the working tree, into `var/bench`,
with an environment from its own lock and a directory that it fills itself. The same seed fills both directories.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.load import Load, evaluation, evaluations, require_wrk
from benchmarks.portal import DATA, ROOT, fill, new_key, serving
from benchmarks.results import Result, median, ratio
from benchmarks.rounds import measure_in_turn

ROUNDS = 7
BASE = os.environ.get("BASE") or "61d7e20"
PEOPLE, ORGANISATIONS = 20_000, 1_000
SERVICE, BATCH = "training", 100
LOWEST = 0.95
"""Less than this share of the older speed is a regression; the rest is noise."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: where its code is, its Python, and its directory."""

    name: str
    code: Path
    python: str
    data: Path

    @property
    def command(self) -> list[str]:
        """The command line of this side."""
        return [str(Path(self.python).with_name("tessera"))]


class DecideLoop:
    """A process that decides about the sample with the code of one side, whenever it is asked to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.sample: list[tuple[str, str, bool]] = [tuple(one) for one in json.loads(self._line())]

    def measure(self) -> float:
        """Return how many microseconds a decision took."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the program that decides has ended")
        return line


def measure() -> list[Result]:
    """Measure everything of this part. Raises AssertionError if one sample gets different answers."""
    require_wrk()
    now = Side("now", ROOT, sys.executable, DATA / "regression" / "now")
    base = _check_out(BASE)
    for side in (base, now):
        fill(side.data, PEOPLE, ORGANISATIONS, side.command)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loops = {side.name: stack.enter_context(_deciding(side)) for side in (base, now)}
        before, after = (loops[side.name].sample for side in (base, now))
        # An older commit may invent another crowd, about which there are other answers.
        are_same_people = [one[:2] for one in before] == [one[:2] for one in after]
        assert before == after or not are_same_people, "the two commits decide differently"
        contenders = {f"decision {name}": loop.measure for name, loop in loops.items()}
        for side in (base, now):
            contenders |= _requests(side, loops[side.name], Path(folder), stack)
        for contender in contenders.values():
            contender()
        took = measure_in_turn(contenders, ROUNDS)
    return [
        *_compared("One decision in process", took, "decision", "µs"),
        *_compared("Single requests over HTTP", took, "single", "a second"),
        *_compared(f"Evaluations in batches of {BATCH}", took, "batch", "a second"),
    ]


def _compared(what: str, took: dict[str, list[float]], name: str, unit: str) -> list[Result]:
    before, after = took[f"{name} {BASE}"], took[f"{name} now"]
    is_time = unit == "µs"
    return [
        median(f"{what}: {BASE}", before, unit),
        median(f"{what}: now", after, unit),
        ratio(
            f"{what}: how much faster now",
            before if is_time else after,
            after if is_time else before,
            least=LOWEST,
        ),
    ]


def _requests(side: Side, loop: DecideLoop, folder: Path, stack: ExitStack) -> dict[str, Callable[[], float]]:
    """Serve one side until `stack` ends, and return its loads."""
    key = new_key(side.data, SERVICE, side.command)
    server = stack.enter_context(serving(side.data, side.command, WORKERS="2"))
    names = [name for name, _service, _allowed in loop.sample]
    single = Load(
        folder,
        f"single-{side.name}",
        "/access/v1/evaluation",
        [evaluation(name, SERVICE) for name in names],
        key=key,
    )
    subjects: list[dict[str, Any]] = [{"type": "user", "id": name} for name in names]
    starts = range(0, len(names) - BATCH + 1, 20)
    batch = Load(
        folder,
        f"batch-{side.name}",
        "/access/v1/evaluations",
        [evaluations(subjects[start : start + BATCH], SERVICE) for start in starts],
        key=key,
        evaluations=BATCH,
    )
    return {
        f"single {side.name}": lambda: single.per_second(server.port),
        f"batch {side.name}": lambda: batch.per_second(server.port),
    }


@contextmanager
def _deciding(side: Side) -> Iterator[DecideLoop]:
    command = [side.python, str(Path(__file__).with_name("decide_loop.py")), str(side.data)]
    process = subprocess.Popen(
        command,
        cwd=side.code,
        env={**os.environ, "PYTHONPATH": str(side.code)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield DecideLoop(process)
    finally:
        process.terminate()
        process.communicate()


def _check_out(commit: str) -> Side:
    """Return the side of an older commit, made the first time. Raises SystemExit if the repository does not have it."""
    folder = DATA / "regression" / commit
    code = folder / "code"
    python = code / ".venv" / "bin" / "python"
    if not code.exists():
        git = ["git", "-C", str(ROOT), "archive", commit]
        archived = subprocess.run(git, check=False, capture_output=True)
        if archived.returncode:
            raise SystemExit(f"BASE={commit}: {archived.stderr.decode().strip()}")
        with tarfile.open(fileobj=BytesIO(archived.stdout)) as files:
            files.extractall(code, filter="data")
    # It knows itself how it is installed. The options of this make are not meant for that one.
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKEOVERRIDES", "PYTHON"}}
    make = ["make", "--silent", ".venv/.installed-run"]
    subprocess.run(make, cwd=code, env=own, check=True, stdout=sys.stderr)
    return Side(commit, code, str(python), folder / "data")
