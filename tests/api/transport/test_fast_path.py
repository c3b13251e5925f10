"""Two doors, one answer: what is said before Flask has the headers that it has in Flask, and no more than it needs."""

import json

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from app.api import FastPath
from app.audit import decision_log
from app.config import Settings
from app.kernel.database import database
from tests.api.conftest import KEY, Send, question
from tests.running import change_settings, forget_facts

pytestmark = pytest.mark.one_database

GOOD = json.dumps(question("olivia.marsh@example.org")).encode()
WITH_KEY = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
EVERYWHERE = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
OVER_HTTPS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}

# What is left of a body would be taken for the next request, so the connection ends, and the caller is told.
UNREAD = {"Connection": "close"}

HANDLERS = {
    "an answer": (200, GOOD, {}, {}),
    "an answer to whoever gave an id": (200, GOOD, {"X-Request-ID": "r-1"}, {"X-Request-ID": "r-1"}),
    "a cookie changes nothing": (200, GOOD, {"Cookie": "tessera=nonsense"}, {}),
    "no question": (400, b"{}", {"X-Request-ID": "r-1"}, {"X-Request-ID": "r-1"}),
    "a long id": (200, GOOD, {"X-Request-ID": "r" * 2_000}, {"X-Request-ID": "r" * 2_000}),
    "no JSON": (400, GOOD, {"Content-Type": "text/plain"}, {}),
    "no key": (401, GOOD, {"Authorization": ""}, {"WWW-Authenticate": "Bearer"}),
    "too much": (413, GOOD + b" " * 70_000, {}, UNREAD),
}


def told(answer: TestResponse) -> tuple[int, dict[str, str]]:
    """Return the status of an answer and its headers, each of which is there once, but the length that it must have."""
    headers = dict(answer.headers)
    assert len(headers) == len(answer.headers)
    assert headers.pop("Content-Length") == str(len(answer.data))
    return answer.status_code, headers


def at_both_doors(app: Flask, body: bytes, headers: dict[str, str]) -> list[tuple[int, dict[str, str]]]:
    """Return what is told at the door and in Flask."""
    assert isinstance(app.wsgi_app, FastPath)
    # Made anew: the one of the portal has the headers of the settings that it was made with.
    doors = (FastPath(app, app.wsgi_app.application), app.wsgi_app.application)
    return [told(Client(door).post("/authorize", data=body, headers=WITH_KEY | headers)) for door in doors]


@pytest.mark.parametrize("case", HANDLERS)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_headers_are_the_same(app: Flask, settings: Settings, case: str, secure: bool) -> None:
    change_settings(public_url="https://portal.example.org" if secure else settings.public_url)
    status, body, headers, more = HANDLERS[case]
    expected = (status, EVERYWHERE | (OVER_HTTPS if secure else {}) | more)
    assert at_both_doors(app, body, headers) == [expected] * 2


def test_the_headers_are_the_same_when_something_breaks(app: Flask) -> None:
    decision_log.current().close()
    assert at_both_doors(app, GOOD, {}) == [(503, EVERYWHERE | {"Retry-After": "1"})] * 2
    database.execute_sql("drop table email_address")
    forget_facts()
    assert at_both_doors(app, GOOD, {}) == [(500, EVERYWHERE)] * 2


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/access/v1/search/subject", "POST", 400), ("/records/script/7", "GET", 404), ("/records/x", "GET", 404)],
)
def test_what_only_flask_answers_has_the_same_headers(send: Send, path: str, method: str, status: int) -> None:
    assert told(send(b"{}", path=path, method=method)) == (status, EVERYWHERE)
