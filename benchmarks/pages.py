"""How fast the pages are on a large directory, over HTTP, as an exams officer of 500 people sees them.

Medians of 60 requests, one after the other.
"""

import http.client
import re
import statistics
import time
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from benchmarks.load import Connection
from benchmarks.portal import fill, new_key, serving
from benchmarks.results import Result

OFFICER, PASSWORD, BIG = "officer@crowd.example.org", "correct horse tiles", "crowd-500"
ROUNDS = 60
SERVICE = "training"


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


def measure() -> list[Result]:
    """Measure everything of this part."""
    results = []
    data = fill()
    key = new_key(data, SERVICE)
    with serving(data) as server:
        browser = Browser(server.port)
        browser.sign_in()
        for name, path, most in (
            ("Home", "/", 30),
            ("Users of an organisation of 500", f"/organisations/{BIG}/users", 150),
            ("The same, with a search", f"/organisations/{BIG}/users?search=an", None),
        ):
            took = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                status, _page = browser.ask("GET", path)
                took.append((time.perf_counter() - begun) * 1000)
                assert status == 200, (path, status)
            results.append(Result(name, statistics.median(took), "ms", most=most))
        took = _searches(Connection(server.port, key))
        results.append(Result("A page of 50 of a search among 200,000 people", statistics.median(took), "ms", most=10))
    return results


def _searches(client: Connection) -> list[float]:
    """Return how many milliseconds each page took, one after the other, of those who may open a service."""
    body: dict[str, Any] = {
        "subject": {"type": "person"},
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": SERVICE},
        "page": {"limit": 50},
    }
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = client.post("/access/v1/search/subject", body)
        took.append((time.perf_counter() - begun) * 1000)
        assert len(answer["results"]) == 50, answer
        body["page"] = {"limit": 50, "token": answer["page"]["next_token"]}
    return took
