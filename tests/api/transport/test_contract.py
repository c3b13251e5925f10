"""One contract, two ways to it: the fast path and the views in Flask give the same answers, to the header and byte.

The other tests of the API ask on the fast path alone.
"""

import json
import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from app.api import FastPath
from app.api.handlers import HANDLERS
from tests.api.conftest import KEY, question
from tests.api.transport.test_request_body import HARMLESS, HOSTILE, JSON_CONTENT_TYPES, OTHER_CONTENT_TYPES, TOO_LARGE
from tests.api.transport.test_request_body import with_context as body_with_context

pytestmark = pytest.mark.one_database

PATHS = sorted(HANDLERS)
NO = question("iris-bell")
ITEMS = [{}, {"action": {"name": "read"}}, {"subject": {"type": "person", "id": "nobody"}}, 7, {"resource": {}}]
MESSAGES: dict[str, Any] = {
    "allow": question("olivia-marsh"),
    "deny": NO,
    "unknown person": question("nobody"),
    "unknown action": question("olivia-marsh", "fly"),
    "unknown resource": question("olivia-marsh", "launch", "service", "nothing"),
    "another service": question("olivia-marsh", "launch", "service", "training"),
    "another type": question("olivia-marsh", "read", "script", "7"),
    "organisation": question("thomas-reed", context={"organisation": "90101"}),
    "unknown organisation": question("thomas-reed", context={"organisation": "99999"}),
    "two organisations": question(
        resource={"type": "service", "id": "training", "properties": {"organisation": "1"}},
        context={"organisation": "2"},
    ),
    "properties": question(
        subject={"type": "user", "id": "thomas.reed@example.org", "properties": {"grade": "senior"}}
    ),
    "revision": question(options={"at_least_revision": 0}),
    "revision as a fraction": question(options={"at_least_revision": 1.5}),
    "nothing": {},
    "nulls": {"subject": None, "action": None, "resource": None},
    "batch": {**NO, "evaluations": ITEMS},
    "batch until a deny": {
        **NO,
        "evaluations": [{}, {}],
        "options": {"evaluations_semantic": "deny_on_first_deny"},
    },
    "batch until an allow": {
        **question("olivia-marsh"),
        "evaluations": [{}, {}],
        "options": {"evaluations_semantic": "permit_on_first_permit"},
    },
    "batch that is none": {**NO, "evaluations": {}},
    "batch that is too large": {**NO, "evaluations": [{}] * 101},
    "explained allow": question("olivia-marsh", explain=True),
    "explained deny": {**NO, "explain": True},
    "explained batch": {**NO, "evaluations": [{}], "explain": True},
    "explain that is none": {**NO, "explain": "yes"},
}
HEADERS: dict[str, dict[str, str]] = {
    "no key": {"Authorization": ""},
    "wrong key": {"Authorization": "Bearer nothing"},
    "basic": {"Authorization": "Basic abc"},
    "request id": {"X-Request-ID": "r-1"},
    "bad request id": {"X-Request-ID": "r" * 201},
    "revision": {"Tessera-At-Least": "0"},
    "bad revision": {"Tessera-At-Least": "soon"},
    "cookie": {"Cookie": "tessera=nonsense"},
    **{f"content type {kind!r}": {"Content-Type": kind} for kind in (*OTHER_CONTENT_TYPES, *JSON_CONTENT_TYPES)},
}


def at_both(app: Flask, path: str, body: bytes, headers: dict[str, str]) -> list[tuple[int, Any, bytes]]:
    """Return status, headers and body of the two answers, without what makes each answer one of its own."""
    assert isinstance(app.wsgi_app, FastPath)
    found = []
    for door in (app.wsgi_app, app.wsgi_app.application):
        sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"} | headers
        answer = Client(door).post(path, data=body, headers=sent)
        # Only their lengths may differ: ids of answers have numbers that grow.
        text = re.sub(rb'"id": "[a-z0-9]+-[0-9.]+"|Error number: \w+', b"", answer.data)
        kept = sorted((name, value) for name, value in answer.headers if name != "Content-Length")
        found.append((answer.status_code, kept, text))
    return found


@pytest.mark.parametrize("path", PATHS)
def test_messages_are_answered_alike(app: Flask, path: str, subtests: pytest.Subtests) -> None:
    for name, message in MESSAGES.items():
        with subtests.test(name):
            fast, flask = at_both(app, path, json.dumps(message).encode(), {})
            assert fast == flask


@pytest.mark.parametrize("path", PATHS)
def test_headers_are_taken_alike(app: Flask, path: str, subtests: pytest.Subtests) -> None:
    for name, headers in HEADERS.items():
        with subtests.test(name):
            fast, flask = at_both(app, path, json.dumps(NO).encode(), headers)
            assert fast == flask


def test_hostile_bodies_are_answered_alike(app: Flask, subtests: pytest.Subtests) -> None:
    harmless = {text: body_with_context(text) for text in HARMLESS}
    for name, body in ({name: body for name, (body, _message) in HOSTILE.items()} | harmless).items():
        with subtests.test(name):
            fast, flask = at_both(app, "/authorize", body, {})
            assert fast == flask
    for body in TOO_LARGE:
        with subtests.test(size=len(body)):
            fast, flask = at_both(app, "/authorize", body, {})
            assert fast == flask
