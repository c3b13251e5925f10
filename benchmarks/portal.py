"""A large directory, and a portal on it, for whatever is measured. Both are kept in `var/bench`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("BENCH_DATA", ROOT / "var" / "bench"))
TESSERA = str(Path(sys.executable).with_name("tessera"))
PEOPLE, ORGANISATIONS = 200_000, 10_000


def environment(data: Path = DATA, **more: str) -> dict[str, str]:
    """Return the environment of a `tessera` command on the directory in `data`."""
    return {**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(data), "RATE_LIMIT": "0", **more}


def filled(data: Path = DATA, people: int = PEOPLE, organisations: int = ORGANISATIONS) -> Path:
    """Return a folder with a directory of so many people, filled the first time."""
    if not (data / "filled").exists():
        fill = [TESSERA, "demo", "--people", str(people), "--organisations", str(organisations)]
        subprocess.run(fill, env=environment(data), check=True, stdout=subprocess.DEVNULL)
        (data / "filled").touch()
    subprocess.run([TESSERA, "migrate"], env=environment(data), check=True, stdout=subprocess.DEVNULL)
    return data


def new_key(data: Path, service: str) -> str:
    """Return the key of a new client that asks about a service and its roles."""
    add = [TESSERA, "client", "add", "--name", "Bench", "--service", service, "--kind", "service", "--kind", "role"]
    added = subprocess.run([*add, "--json"], env=environment(data), check=True, capture_output=True, text=True)
    return str(json.loads(added.stdout)["key"])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Return when somebody answers at `port`."""
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError("the server stopped")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not answer")


@contextmanager
def running(command: list[str], port: int, **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server for the block, from when it answers at `port` on."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        wait_for(port, server)
        yield server
    finally:
        server.terminate()
        server.wait()


@contextmanager
def serving(data: Path = DATA, **settings: str) -> Iterator[int]:
    """Run a portal on the directory in `data` for the block, and give its port."""
    port = free_port()
    with running([TESSERA, "serve"], port, env=environment(data, PORT=str(port), **settings)):
        yield port
