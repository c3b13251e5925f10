"""Asking over HTTP, as the demo client of *Submit for assessment*."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.authz.engine.engine import Engine
from app.config import ROOT
from app.services.models import Client
from tests.running import change, forget_facts

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


MARK_SCHEMES = """
resource MarkScheme {
  permissions = ["approve", "export", "mark", "read", "weigh"];
}

has_permission(_person: Person, "read", scheme: MarkScheme) if
  scheme.properties.status = "published";

has_permission(_person: Person, _action: String, scheme: MarkScheme) if
  scheme.properties.open = true;

has_permission(person: Person, "approve", scheme: MarkScheme) if
  person.properties.grade = "senior" and
  scheme.properties.status = "draft";

has_permission(_person: Person, "export", _scheme: MarkScheme, context: Context) if
  context.action.format = "pdf" and
  context.request.place.locked = true;

has_permission(person: Person, "mark", scheme: MarkScheme) if
  scheme.properties.ready = true and
  membership in person.memberships and
  membership.state = "active" and
  grant in membership.grants and
  grant.in_force = true and
  grant.role.slug = "submit-for-assessment:teacher";

has_permission(_person: Person, "weigh", scheme: MarkScheme) if
  scheme.properties.weight < 10;
"""


@pytest.fixture
def mark_schemes(app: Flask, tmp_path: Path) -> None:
    """A kind of thing that only the policy knows, which the demo client asks about."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mark_scheme.polar").write_text(MARK_SCHEMES)
    change(engine=Engine.load(ROOT / "policies", tmp_path / "rules"))
    Client.update(kinds=["service", "role", "mark_scheme"]).where(Client.public_id == "submit-for-assessment").execute()
    forget_facts()
