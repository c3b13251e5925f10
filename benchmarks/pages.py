"""How fast the pages are on a large directory, over HTTP, as an exams officer of 500 people sees them.

    make bench

Fills `var/bench` with 200,000 people once, starts the portal on it, and prints the median of each page.
"""

import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("BENCH_DATA", ROOT / "var" / "bench"))
TESSERA = str(Path(sys.executable).with_name("tessera"))
PEOPLE, ORGANISATIONS = 200_000, 10_000
OFFICER, PASSWORD, BIG = "officer@crowd.example.org", "correct horse tiles", "crowd-500"
ROUNDS = 60


class Browser:
    """Keeps one connection and the cookies."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        """Return status and text of the answer."""
        headers = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body or None, headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        for value in response.headers.get_all("Set-Cookie", []):
            self.cookies.load(value)
        return response.status, text

    def sign_in(self) -> None:
        """Sign in as the exams officer of the large organisation."""
        _status, page = self.ask("GET", "/sign-in")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        form = {"csrf_token": token[1], "address": OFFICER, "password": PASSWORD}
        status, _page = self.ask("POST", "/sign-in", urlencode(form))
        assert status == 303, status


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when the portal answers."""
    for _ in range(600):
        assert server.poll() is None, "the portal stopped"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the portal does not answer")


def main() -> None:
    """Measure, and print a table."""
    port = free_port()
    environment = {**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(DATA), "PORT": str(port)}
    if not (DATA / "tessera.db").exists():
        fill = [TESSERA, "demo", "--people", str(PEOPLE), "--organisations", str(ORGANISATIONS)]
        subprocess.run(fill, env=environment, check=True)
    server = subprocess.Popen([TESSERA, "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        browser = Browser(port)
        browser.sign_in()
        print("| page | median ms | slowest ms |\n|---|---|---|")
        for path in ("/", f"/organisations/{BIG}/users", f"/organisations/{BIG}/users?search=an"):
            took = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                status, _page = browser.ask("GET", path)
                took.append((time.perf_counter() - begun) * 1000)
                assert status == 200, (path, status)
            print(f"| `{path}` | {statistics.median(took):.1f} | {max(took):.1f} |")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
