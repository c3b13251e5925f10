"""A large directory and a portal that serves it, for the parts that need one. Both are kept in `var/bench`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("BENCH_DATA", ROOT / "var" / "bench"))
COMMAND = (str(Path(sys.executable).with_name("tessera")),)
"""The command line of the working tree; an older commit has its own."""
PEOPLE, ORGANISATIONS = 200_000, 10_000


@dataclass(frozen=True)
class Server:
    """A server under test: the port that it answers at and its process, which may have children."""

    port: int
    pid: int


def environment(data: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a command that works on the directory in `data`.

    Without PYTHONPATH, with which an older commit would run the code of the working tree.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, "DEVELOPMENT": "1", "DATA_DIR": str(data), "RATE_LIMIT": "0", **settings}


def fill(
    data: Path = DATA,
    people: int = PEOPLE,
    organisations: int = ORGANISATIONS,
    command: Sequence[str] = COMMAND,
) -> Path:
    """Return `data` with a directory of so many people in it; it is filled the first time."""
    if not (data / "filled").exists():
        demo = [*command, "demo", "--people", str(people), "--organisations", str(organisations)]
        subprocess.run(demo, env=environment(data), check=True, stdout=subprocess.DEVNULL)
        (data / "filled").touch()
    subprocess.run([*command, "migrate"], env=environment(data), check=True, stdout=subprocess.DEVNULL)
    return data


def new_key(data: Path, service: str, command: Sequence[str] = COMMAND) -> str:
    """Return the key of a new client that may ask about a service and its roles."""
    add = [*command, "client", "add", "--name", "Bench", "--service", service, "--kind", "service", "--kind", "role"]
    added = subprocess.run([*add, "--json"], env=environment(data), check=True, capture_output=True, text=True)
    return str(json.loads(added.stdout)["key"])


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, **options: object) -> Iterator[Server]:
    """Run a server for the block, from the moment that it accepts connections at `port`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        _wait_until_listening(port, process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def serving(data: Path = DATA, command: Sequence[str] = COMMAND, **settings: str) -> Iterator[Server]:
    """Run a portal on the directory in `data` for the block."""
    port = free_port()
    with running([*command, "serve"], port, env=environment(data, PORT=str(port), **settings)) as server:
        yield server


def _wait_until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the server ended before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not listen")
