"""Other servers that are asked the same, and the requests that Cerbos takes."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from app.authz import facts
from benchmarks.peers import install_cerbos
from benchmarks.portal import Server, free_port, running
from benchmarks.sample import roles_in_force, service_of

ECHO = """
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
BARE_FLASK = """
from flask import Flask, jsonify, request
app = Flask("bare")

@app.post("/access/v1/evaluation")
def evaluation():
    return jsonify(decision=request.get_json()["action"]["name"] == "launch")
"""
_GRANIAN = (str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--workers", "2", "--no-ws")

CERBOS_BATCH = 500
"""Resources in one CheckResources request: the most that Cerbos can be set to. It is delivered with 50."""
CHECK_RESOURCES = "/api/check/resources"
_CERBOS = """
server:
  httpListenAddr: "127.0.0.1:{port}"
  grpcListenAddr: "127.0.0.1:{grpc}"
  requestLimits: {{maxResourcesPerRequest: {batch}}}
storage: {{driver: disk, disk: {{directory: "{folder}"}}}}
telemetry: {{disabled: true}}
"""
_CERBOS_POLICY = """
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: service
  version: default
  rules:
    - actions: ["launch"]
      effect: EFFECT_ALLOW
      roles: ["user"]
      condition:
        match:
          all:
            of:
              - expr: P.attr.state == "active"
              - expr: >-
                  P.attr.memberships.exists(m, m.state == "active" && m.organisation == "active"
                  && m.services.exists(s, s == R.id))
"""


@contextmanager
def wsgi(folder: Path, name: str, source: str) -> Iterator[Server]:
    """Serve a small WSGI application with the web server that Tessera uses, with as many processes."""
    (folder / f"{name}.py").write_text(source)
    port = free_port()
    command = [*_GRANIAN, "--blocking-threads", "8", "--port", str(port), "--log-level", "error", f"{name}:app"]
    with running(command, port, cwd=folder) as server:
        yield server


@contextmanager
def cerbos(folder: Path) -> Iterator[Server]:
    """Serve the same rule with Cerbos. Raises `MissingPeerError`."""
    program = install_cerbos()
    policies = folder / "cerbos"
    policies.mkdir()
    (policies / "service.yaml").write_text(_CERBOS_POLICY)
    port = free_port()
    settings = folder / "cerbos.yaml"
    settings.write_text(_CERBOS.format(port=port, grpc=free_port(), folder=policies, batch=CERBOS_BATCH))
    with running([str(program), "server", "--config", str(settings)], port) as server:
        yield server


def cerbos_attributes(person: facts.Person) -> dict[str, Any]:
    """Return what a request has to say about a person, as Cerbos keeps no directory."""
    return {
        "state": person.state,
        "memberships": [
            {
                "state": membership.state,
                "organisation": membership.organisation.state,
                "services": [service_of(role) for role in roles_in_force(membership)],
            }
            for membership in person.memberships
        ],
    }


def check_resources(person: facts.Person, services: Sequence[str]) -> dict[str, Any]:
    """Return the largest CheckResources request about one person: the services again and again."""
    return {
        "principal": {"id": person.public_id, "roles": ["user"], "attr": cerbos_attributes(person)},
        "resources": [
            {"resource": {"kind": "service", "id": slug}, "actions": ["launch"]}
            for slug in islice(cycle(services), CERBOS_BATCH)
        ],
    }
