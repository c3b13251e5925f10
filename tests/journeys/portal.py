"""A whole portal as people meet it: its own process, port, data folder and command line."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from playhouse.db_url import connect

ROOT = Path(__file__).resolve().parents[2]
_DEADLINE_SECONDS = 60
_GOODBYE_SECONDS = 20


class Portal:
    """A development portal that lives in `folder`. Nothing is there until `tessera` or `start` is called.

    `database_url` is the address of its database if that is not in the folder.
    """

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        with closing(socket.socket()) as trial:
            trial.bind(("127.0.0.1", 0))
            self._port = trial.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self.answered: list[str] = []
        """The numbers of the decisions that it has given."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        self._environ = kept | {"DEVELOPMENT": "1", "DATA_DIR": str(folder), "PORT": str(self._port)}
        self._environ |= {} if database_url is None else {"DATABASE_URL": database_url}
        self._database_url = database_url or f"sqlite:///{folder / 'tessera.db'}"

    def tessera(self, *words: str) -> Any:
        """Run a command of the operator's and return its answer to programs, if it gives one."""
        done = subprocess.run(
            self._command(*words), cwd=ROOT, env=self._environ, capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, f"tessera {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if "--json" in words else done.stdout

    def start(self) -> None:
        """Start web server and mail worker, and wait until they answer."""
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                self._command("serve"), cwd=ROOT, env=self._environ, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not self._answers():
            stuck = self._server.poll() is not None or time.monotonic() > deadline
            assert not stuck, f"did not start: {(self._folder / 'log').read_text()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop what was started."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(_GOODBYE_SECONDS)

    def execute(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Execute a statement in the database, and return what it says."""
        with connect(self._database_url) as database:
            marked = statement.replace("?", database.param)
            cursor = database.execute_sql(marked, values)
            return list(cursor.fetchall()) if cursor.description else []

    def leaves_alone_for_hours(self, person_id: str) -> None:
        """Make it long ago that `person_id` did something."""
        self.execute(
            "update session set seen_at = '2000-01-01 00:00:00'"
            " where person_id = (select id from person where public_id = ?)",
            person_id,
        )

    def decides(self, key: str, person: str, action: str, service: str) -> tuple[bool, str]:
        """Ask as a service would, and return the decision and the code of its reason."""
        question = {
            "subject": {"type": "person", "id": person},
            "action": {"name": action},
            "resource": {"type": "service", "id": service},
        }
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with urlopen(Request(f"{self.address}/authorize", json.dumps(question).encode(), headers)) as answer:
            message = json.load(answer)
        self.answered.append(message["context"]["id"])
        return message["decision"], message["context"]["reason"]["code"]

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("tessera")), *words]


class _ServicePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A service</title><h1>The service itself</h1>")

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def service() -> Iterator[str]:
    """Run a service of its own, which is no part of the portal, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ServicePage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/start"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
