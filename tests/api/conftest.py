"""Asking over HTTP, as the demo client of *Submit for assessment*."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from peewee import QueryEvent
from werkzeug.test import TestResponse

from app.kernel.database import database

KEY = "demo-key-submit-for-assessment"

Ask = Callable[..., TestResponse]
Send = Callable[..., TestResponse]
Tell = Callable[..., TestResponse]


def question(
    person: str = "olivia-marsh",
    action: str = "launch",
    kind: str = "service",
    thing: str = "submit-for-assessment",
    /,
    **more: Any,
) -> dict[str, Any]:
    """Return a question in its shape; `more` are further members of the top level, or replace one."""
    return {
        "subject": {"type": "person", "id": person},
        "action": {"name": action},
        "resource": {"type": kind, "id": thing},
        **more,
    }


@contextmanager
def counted_queries() -> Iterator[list[QueryEvent]]:
    """Give the list of the queries that run inside the block."""
    queries: list[QueryEvent] = []
    database.obj.query_hooks.append(queries.append)
    try:
        yield queries
    finally:
        database.obj.query_hooks.remove(queries.append)


@pytest.fixture
def send(app: Flask) -> Send:
    """Send any bytes, by POST to `/authorize` with a good key unless something else is said."""

    def send(
        body: bytes,
        *,
        path: str = "/authorize",
        method: str = "POST",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        return app.test_client().open(
            path,
            method=method,
            data=body,
            content_type=content_type,
            headers={"Authorization": f"Bearer {KEY}", **(headers or {})},
            **more,
        )

    return send


@pytest.fixture
def tell(send: Send) -> Tell:
    """Send a body as JSON, whatever its shape."""
    return lambda body, **more: send(json.dumps(body).encode(), **more)


@pytest.fixture
def ask(send: Send) -> Ask:
    """Ask a question in its usual shape."""

    def ask(*parts: str, key: str = KEY, **more: Any) -> TestResponse:
        body = json.dumps(question(*parts, **more)).encode()
        return send(body, headers={"Authorization": f"Bearer {key}"})

    return ask
