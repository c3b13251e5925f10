"""How many questions a second are answered over HTTP, beside others on the same machine in the same run.

Two web processes, 16 connections, the decision log on. `wrk` asks about 400 people in turn; it shares the machine with
the server, so the figures are those of a busy machine.
"""

import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peers
from decisions import Questions
from portal import DATA, filled, free_port, new_key, running, serving
from results import Result

from app.authz import facts

ROUNDS, SECONDS, CONNECTIONS = 5, 4, 16
SERVICE = "training"
KEPT = 18_000
"""People asked about in turn, nearly as many as a process keeps."""
JUST_ABOVE, FAR_ABOVE = 25_000, 100_000
"""People asked about: some more, and many more, than the 20,000 that a process keeps."""
GRANIAN = [str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--workers", "2", "--no-ws"]

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
CERBOS = """
server: {{httpListenAddr: "127.0.0.1:{port}", grpcListenAddr: "127.0.0.1:{grpc}"}}
storage: {{driver: disk, disk: {{directory: "{folder}"}}}}
telemetry: {{disabled: true}}
"""
CERBOS_POLICY = """
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
ASK_IN_TURN = """
local bodies = {}
for line in io.lines(%s) do bodies[#bodies + 1] = line end
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
request = function()
  number = number %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[number])
end
"""


class Load:
    """Asks one server, again and again."""

    def __init__(self, folder: Path, name: str, bodies: list[Any], path: str, key: str = "none") -> None:
        self.path = path
        asked = folder / f"{name}.txt"
        asked.write_text("\n".join(json.dumps(body) for body in bodies))
        self.script = folder / f"{name}.lua"
        self.script.write_text(ASK_IN_TURN % (json.dumps(str(asked)), key))

    def per_second(self, port: int) -> float:
        """Return how many requests a second were answered. Raises RuntimeError if one was not answered well."""
        found = re.search(r"Requests/sec:\s+([\d.]+)", self._asked(port))
        assert found is not None
        return float(found[1])

    def slow(self, port: int) -> float:
        """Return within how many milliseconds 99 of 100 were answered. Raises RuntimeError like `per_second`."""
        found = re.search(r"99%\s+([\d.]+)(us|ms|s)\n", self._asked(port))
        assert found is not None
        return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]]

    def _asked(self, port: int) -> str:
        wrk = ["wrk", "--latency", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(self.script)]
        said = subprocess.run(
            [*wrk, f"http://127.0.0.1:{port}{self.path}"], check=True, capture_output=True, text=True
        ).stdout
        if "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(said)
        return said


def question(name: str, slug: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what AuthZEN asks."""
    subject: dict[str, Any] = {"type": "user", "id": name}
    if properties is not None:
        subject["properties"] = properties
    return {"subject": subject, "action": {"name": "launch"}, "resource": {"type": "service", "id": slug}}


def batch(names: list[str]) -> dict[str, Any]:
    """Return what AuthZEN asks of several people at once."""
    return {
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": SERVICE},
        "evaluations": [{"subject": {"type": "user", "id": name}} for name in names],
    }


def told(person: facts.Person) -> dict[str, Any]:
    """Return what Cerbos has to be told of a person, as it keeps no directory."""
    return {
        "state": person.state,
        "memberships": [
            {
                "state": held.state,
                "organisation": held.organisation.state,
                "services": [
                    grant.role.service.slug
                    for grant in held.grants
                    if grant.role.service is not None and grant.in_force(time.time())
                ],
            }
            for held in person.memberships
        ],
    }


@contextmanager
def module(folder: Path, name: str, source: str) -> Iterator[int]:
    """Serve a small WSGI application with the server that Tessera uses, and give its port."""
    (folder / f"{name}.py").write_text(source)
    port = free_port()
    command = [*GRANIAN, "--blocking-threads", "8", "--port", str(port), "--log-level", "error", f"{name}:app"]
    with running(command, port, cwd=folder):
        yield port


@contextmanager
def cerbos(folder: Path) -> Iterator[int]:
    """Serve the same rule with Cerbos, and give its port."""
    policies = folder / "cerbos"
    policies.mkdir()
    (policies / "service.yaml").write_text(CERBOS_POLICY)
    port, grpc = free_port(), free_port()
    (folder / "cerbos.yaml").write_text(CERBOS.format(port=port, grpc=grpc, folder=policies))
    with running([str(peers.cerbos()), "server", "--config", str(folder / "cerbos.yaml")], port):
        yield port


class Connection:
    """Asks one question after the other."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, answer
        return answer


def searched(port: int, key: str) -> float:
    """Return the median milliseconds of a subject search over everybody, a page of 50 after the other.

    The median of as many passes as there are rounds.
    """
    return statistics.median(_search_pass(Connection(port, key)) for _ in range(ROUNDS))


def _search_pass(connection: Connection) -> float:
    body: dict[str, Any] = question("", SERVICE) | {"subject": {"type": "user"}, "page": {"limit": 50}}
    took = []
    for _ in range(40):
        begun = time.perf_counter()
        answer = connection.ask("/access/v1/search/subject", body)
        took.append((time.perf_counter() - begun) * 1e3)
        assert answer["results"]
        body["page"] = {"token": answer["page"]["next_token"]}
        if not body["page"]["token"]:
            break
    return statistics.median(took)


def memory_after(port: int, key: str, names: list[str]) -> float:
    """Ask about everybody in `names`, over all connections, and return how many megabytes the web process has then."""

    def ask(share: list[str]) -> None:
        connection = Connection(port, key)
        for start in range(0, len(share), 100):
            connection.ask("/access/v1/evaluations", batch(share[start : start + 100]))

    with ThreadPoolExecutor(CONNECTIONS) as asking:
        list(asking.map(ask, (names[place::CONNECTIONS] for place in range(CONNECTIONS))))
    return _largest_worker()


def check_that_they_agree(port: int, key: str, questions: list[Any], other: int, others: list[Any]) -> None:
    """Raise AssertionError unless the server at `port` and the `other` give the same answers."""
    path = "/access/v1/evaluation"
    ours, theirs = Connection(port, key), Connection(other, "none")
    answers = [ours.ask(path, asked)["decision"] for asked in questions]
    assert answers == [theirs.ask(path, asked)["decision"] for asked in others]


def measure() -> list[Result]:
    """Measure everything of this part."""
    if shutil.which("wrk") is None:
        raise FileNotFoundError("This needs wrk (Debian: apt-get install wrk).")
    data = filled()
    questions = Questions(data)
    key = new_key(data, SERVICE)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = [name for name, _ in questions.asked]
        singles = [question(name, SERVICE) for name in names]
        batches = [batch(names[start : start + 100]) for start in range(0, len(names) - 99, 20)]
        with_facts = [question(person.public_id, SERVICE, told(person)) for person, _ in questions.pairs]
        ask = Load(folder, "tessera", singles, "/access/v1/evaluation", key)
        loads: dict[str, Callable[[], float]] = {}
        with (
            serving(data, WORKERS="2") as tessera,
            module(folder, "echo", ECHO) as echo,
            module(folder, "bare", BARE_FLASK) as bare,
            cerbos(folder) as other,
        ):
            loads = {
                "Tessera": lambda: ask.per_second(tessera),
                "echo": lambda: ask.per_second(echo),
                "Flask": lambda: ask.per_second(bare),
                "Cerbos": lambda: Load(folder, "cerbos", with_facts, "/access/v1/evaluation").per_second(other),
                "batch": lambda: (
                    100 * Load(folder, "batch", batches, "/access/v1/evaluations", key).per_second(tessera)
                ),
            }
            check_that_they_agree(tessera, key, singles, other, with_facts)
            for load in loads.values():
                load()
            took: dict[str, list[float]] = {name: [] for name in loads}
            for _ in range(ROUNDS):
                for name, load in loads.items():
                    took[name].append(load())
            search = searched(tessera, key)
        with serving(data, WORKERS="1") as alone:
            filled_cache = memory_after(alone, key, questions.names[:JUST_ABOVE])
            far_above = memory_after(alone, key, questions.names[JUST_ABOVE:FAR_ABOVE])
            kept = [question(name, SERVICE) for name in questions.names[FAR_ABOVE - KEPT : FAR_ABOVE]]
            ask_all = Load(folder, "all", kept, "/access/v1/evaluation", key)
            slow = statistics.median(ask_all.slow(alone) for _ in range(ROUNDS))

    def ratio(one: str, other: str) -> float:
        return statistics.median(left / right for left, right in zip(took[one], took[other], strict=True))

    bars = {"Tessera": "Tessera", "Cerbos": "Cerbos", "Flask": "a bare Flask route", "echo": "a raw WSGI echo"}
    return [
        *(
            Result(f"Single requests over HTTP: {bar}", statistics.median(took[name]), "a second", bar=bar)
            for name, bar in bars.items()
        ),
        Result("Against Cerbos on its AuthZEN address", ratio("Tessera", "Cerbos"), "times", least=3),
        Result("Against a raw WSGI echo on the same server", ratio("Tessera", "echo"), "times", least=0.5),
        Result("Against a bare Flask route on the same server", ratio("Tessera", "Flask"), "times"),
        Result("Evaluations in batches of 100 over HTTP", statistics.median(took["batch"]), "a second", least=100_000),
        Result("Subject search over 200,000 people, a page of 50", search, "ms", most=300),
        Result(
            f"Memory of a web process after {JUST_ABOVE:,} people, more than it keeps", filled_cache, "MB", most=200
        ),
        Result(f"After {FAR_ABOVE:,} people", far_above, "MB", most=200),
        Result(
            f"One process, {CONNECTIONS} connections, {KEPT:,} people in turn: 99 of 100 answered within", slow, "ms"
        ),
    ]


def _largest_worker() -> float:
    """Return the megabytes of the largest process that belongs to the portal in `DATA`."""
    sizes = [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = f"DATA_DIR={DATA}".encode() in (process / "environ").read_bytes()
            resident = re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())
        except OSError:
            continue
        if is_ours and resident:
            sizes.append(int(resident[1]) / 1024)
    return max(sizes)
