"""How fast the pages are on a large directory, over HTTP, as an exams officer of 500 people sees them.

Medians of 60 requests, one after the other.
"""

import http.client
import re
import statistics
import time
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from benchmarks.portal import fill, serving
from benchmarks.results import Result

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


def measure() -> list[Result]:
    """Measure everything of this part."""
    results = []
    with serving(fill()) as server:
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
    return results
