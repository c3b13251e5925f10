"""What one key that does its worst costs the others: how long another key waits, and how much memory it takes.

Every limit is as delivered. The hostile client shares the two cores with the server and with the one that measures, so
some of what the other key waits is for the hostile client itself: the row with an idle loop says how much.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import portal
from benchmarks.load import Connection
from benchmarks.results import Result, median, ratio
from benchmarks.rounds import ROUND_SECONDS, measure_in_turn
from benchmarks.sample import Sample

_CONNECTIONS = 8
_ROUNDS = 5
_MEGABYTE = 1 << 20
_PACK = """
resource Blob {
  permissions = ["read", "sign"];
}

has_permission(person: Person, "read", blob: Blob) if
  person.public_id in blob.properties.readers;

has_permission(person: Person, "sign", blob: Blob) if
  membership in person.memberships and
  membership.state = "active" and
  grant in membership.grants and
  grant.in_force = true and
  grant.role.slug in blob.properties.signers;
"""
Request = tuple[str, str, Any]


def measure() -> list[Result]:
    """Measure everything of this part."""
    data = portal.fill()
    sample = Sample(data)
    own, other = sample.services[:2]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pack" / "policies").mkdir(parents=True)
        (folder / "pack" / "policies" / "blob.polar").write_text(_PACK)
        # The hostile client registers its own, so the pack has none that a table could list.
        (folder / "pack" / "policies" / "blob_test.toml").write_text("thing = []\n")
        hostile_key = _key_with_blobs(data, own)
        victim_key = portal.new_key(data, other)
        pack = {"PACK_DIR": str(folder / "pack"), "PACK_DATA_DIR": str(data), "RATE_LIMIT": "10000"}
        with portal.serving(data, **pack) as server:
            victim = Connection(server.port, victim_key)
            questions = [_question(person, other) for person in sample.everybody[:400]]
            memory = 0

            def p99(requests: Sequence[Request] | None) -> float:
                nonlocal memory
                with _hostile(folder, server.port, hostile_key, requests):
                    taken = _milliseconds(victim, questions)
                memory = max(memory, _largest_worker(server.pid))
                return quantiles(taken, n=100)[98]

            _milliseconds(victim, questions)
            kinds = _kinds(own, sample)
            measured = measure_in_turn(
                {"quiet": lambda: p99(None), **{kind: lambda sent=sent: p99(sent) for kind, sent in kinds.items()}},
                _ROUNDS,
            )
    return [
        median("Another key's p99, quiet", measured["quiet"], "ms"),
        *(
            ratio(f"Its p99 while a key sends {kind}, against quiet", measured[kind], measured["quiet"], most=3)
            for kind in kinds
        ),
        Result("Memory of the largest web process", memory / _MEGABYTE, "MB", most=250),
    ]


def _kinds(service: str, sample: Sample) -> dict[str, list[Request]]:
    """Return what a hostile client sends, by its name."""
    everybody = sample.everybody
    blob = {"type": "blob", "id": "b"}
    long_list = [f"{number:07}" for number in range(5_500)]
    empty = [[] for _ in range(2_500)]
    return {
        "nonsense that is refused": [("POST", "/authorize", {"subject": {}})],
        "searches": [
            ("POST", "/access/v1/search/subject", _question(None, service)),
            ("POST", "/access/v1/search/resource", _question(everybody[0], service) | {"resource": {"type": "blob"}}),
        ],
        "questions to explain": [
            ("POST", "/authorize", _question(person, service) | {"explain": True}) for person in everybody[:200]
        ],
        "lists of 60 kB": [
            ("POST", "/authorize", _question(person, service, blob | {"properties": {"readers": long_list}}, "read"))
            for person in everybody[:200]
        ],
        "batches of a hundred": [
            (
                "POST",
                "/access/v1/evaluations",
                _question(everybody[0], service)
                | {
                    "evaluations": [
                        {"subject": {"type": "person", "id": one}} for one in everybody[start : start + 100]
                    ]
                },
            )
            for start in range(0, 20_000, 100)
        ],
        "resources to register": [
            request
            for number in range(300)
            for request in (
                ("PUT", f"/records/blob/{number}", {"properties": {"readers": empty}}),
                (
                    "POST",
                    "/authorize",
                    _question(everybody[number], service, {"type": "blob", "id": str(number)}, "read"),
                ),
            )
        ],
    }


def _question(
    person: str | None, service: str, resource: dict[str, Any] | None = None, action: str = "launch"
) -> dict[str, Any]:
    return {
        "subject": {"type": "person"} if person is None else {"type": "person", "id": person},
        "action": {"name": action},
        "resource": resource or {"type": "service", "id": service},
    }


def _key_with_blobs(data: Path, service: str) -> str:
    words = ["client", "add", "--name", "Hostile", "--service", service, "--kind", "service", "--kind", "role"]
    added = subprocess.run(
        [*portal.COMMAND, *words, "--kind", "blob", "--json"],
        env=portal.environment(data),
        check=True,
        capture_output=True,
        text=True,
    )
    return str(json.loads(added.stdout)["key"])


def _milliseconds(victim: Connection, questions: Sequence[Any]) -> list[float]:
    """Return how long the answers to questions took that are asked one after the other for a round."""
    taken: list[float] = []
    ends_at = perf_counter() + ROUND_SECONDS
    while perf_counter() < ends_at:
        for question in questions:
            started = perf_counter()
            victim.post("/authorize", question)
            taken.append(1000 * (perf_counter() - started))
            if perf_counter() > ends_at:
                break
    return taken


@contextmanager
def _hostile(folder: Path, port: int, key: str, requests: Sequence[Request] | None) -> Iterator[None]:
    """Have a hostile client send `requests` for the block."""
    if requests is None:
        yield
        return
    lines = folder / "hostile.txt"
    lines.write_text("\n".join(map(json.dumps, requests)))
    command = [sys.executable, "-m", "benchmarks.hostile_client", str(port), key, str(_CONNECTIONS), str(lines)]
    process = subprocess.Popen(command, cwd=portal.ROOT, preexec_fn=lambda: os.nice(19))  # noqa: PLW1509  (one thread)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _largest_worker(parent: int) -> int:
    """Return the memory of the largest process below `parent`, in bytes."""
    found, waiting = [0], [parent]
    while waiting:
        process = Path("/proc", str(waiting.pop()))
        try:
            for task in (process / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
            [line] = [one for one in (process / "status").read_text().splitlines() if one.startswith("VmRSS")]
        except (OSError, ValueError):
            continue
        found.append(1024 * int(line.split()[1]))
    return max(found)
