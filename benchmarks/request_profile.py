"""Part `profile`: where the time of one single request goes, written to `profile.md`.

Each stage is called by itself on what the stage before it returns, for 400 people in turn, and its processor time is
measured; so no profiler's overhead is in the figures. A stage by itself finds more in the processor's caches than in a
request: what that makes is in the last of them, which is the rest of the whole. What the web processes use for a
request in all is what the system counts for them while the load generator asks.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from app.api.decisions.evaluate import evaluate
from app.api.transport.authentication import authenticate
from app.api.transport.request_body import read_body
from app.api.wire.request_reader import read_evaluation
from app.api.wire.responses import answer_json
from app.api.wire.strict_json import parse_object
from app.audit.decision_codec import LoggedDecision
from app.authz.decision_point import decide
from app.factory import create_app
from app.runtime import current
from benchmarks import servers
from benchmarks.load import Load, evaluation, require_wrk
from benchmarks.portal import DATA, Server, fill, new_key, serving
from benchmarks.results import HERE, Result
from benchmarks.rounds import IS_TRIAL, ROUND_SECONDS, round_count
from benchmarks.sample import Sample

ROUNDS, REPEAT = 9, 10
SERVICE, PATH = "training", "/access/v1/evaluation"
_TICK = 1e6 / os.sysconf("SC_CLK_TCK")
"""Microseconds of processor time that the system counts as one."""

Row = tuple[str, float]


def measure() -> list[Result]:
    """Write the profile. It has no place in the table of results."""
    require_wrk()
    data = fill()
    sample = Sample(data)
    key = new_key(data, SERVICE)
    bodies = [evaluation(name, SERVICE) for name, _service in sample.names]
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), "single", PATH, bodies, key=key)
        with serving(data, WORKERS="2") as tessera, servers.wsgi(Path(folder), "echo", servers.ECHO) as echo:
            ours, theirs = processor_time(load, [tessera, echo])
    stages, log = _stages(sample, key, bodies)
    table = _table(stages, log, ours, theirs)
    print(table)
    if not IS_TRIAL:
        (HERE / "profile.md").write_text(table)
    return []


def _stages(sample: Sample, key: str, bodies: Iterable[Any]) -> tuple[list[Row], float]:
    """Return the microseconds of each stage in process, and those that the log's thread uses for a decision."""
    settings = replace(sample.runtime.settings, development=True, data_dir=DATA, secret_key=key, rate_limit=0)
    app = create_app(settings, sample.runtime.engine)
    raws = [json.dumps(body).encode() for body in bodies]
    environs = [_environ(raw, key) for raw in raws]
    authorization = environs[0]["HTTP_AUTHORIZATION"]

    def ask_whole() -> None:
        for environ, raw in zip(environs, raws, strict=True):
            environ["wsgi.input"] = BytesIO(raw)
            app.wsgi_app(environ, _start_response)

    def read_bodies() -> None:
        for environ, raw in zip(environs, raws, strict=True):
            environ["wsgi.input"] = BytesIO(raw)
            read_body(environ)

    ask_whole()
    caller = authenticate(authorization)
    messages = [parse_object(raw) for raw in raws]
    requests = [read_evaluation(message) for message in messages]
    answers = [evaluate(caller, request) for request in requests]
    service = sample.view.service(SERVICE)
    assert service is not None
    people = [person for person, _service in sample.facts]
    reason = answers[0].decision.reason
    logged: LoggedDecision = ("person:someone", "launch", f"service:{SERVICE}", "", True, reason, "0" * 12, 1, None)
    log = current().decision_log
    steps: dict[str, Callable[[], object]] = {
        "whole": ask_whole,
        "body": read_bodies,
        "key": lambda: [authenticate(authorization) for _ in raws],
        "parse": lambda: [parse_object(raw) for raw in raws],
        "read": lambda: [read_evaluation(message) for message in messages],
        "evaluate": lambda: [evaluate(caller, request) for request in requests],
        "decide": lambda: [decide(person, "launch", service) for person in people],
        "log": lambda: [log.write(time.time(), caller.reference, 1, logged) for _ in raws],
        "write": lambda: [answer_json(answer) for answer in answers],
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(round_count(ROUNDS)):
        for name, step in steps.items():
            took[name].append(_thread_time(step) / len(raws))
    each = {name: statistics.median(times) for name, times in took.items()}
    thread = _log_thread(ask_whole, len(raws))
    log.close()
    known = ("body", "key", "parse", "read", "evaluate", "write")
    return [
        ("read the body", each["body"]),
        ("look for changes and authenticate the key", each["key"]),
        ("parse the JSON strictly", each["parse"]),
        ("read the request from it", each["read"]),
        ("decide", each["decide"]),
        ("put the decision into the log's buffer", each["log"]),
        ("check the scope, resolve names, explain a deny", each["evaluate"] - each["decide"] - each["log"]),
        ("write the answer", each["write"]),
        ("find the handler, headers, status; and colder caches", each["whole"] - sum(each[name] for name in known)),
    ], thread


def _environ(raw: bytes, key: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "CONTENT_LENGTH": str(len(raw)),
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "HTTP_HOST": "localhost",
    }


def _start_response(status: str, *_headers: object) -> Callable[[bytes], object]:
    assert status == "200 OK", status
    return lambda _data: None


def _thread_time(step: Callable[[], object]) -> float:
    """Return the microseconds of processor time of this thread that one call of `step` takes."""
    begun = time.thread_time()
    for _ in range(REPEAT):
        step()
    return (time.thread_time() - begun) / REPEAT * 1e6


def _log_thread(step: Callable[[], object], decisions: int) -> float:
    """Return the microseconds that other threads than this one, which is the log's, use for a decision of `step`."""
    log = current().decision_log
    log.flush()
    whole, own = time.process_time(), time.thread_time()
    for _ in range(REPEAT):
        step()
    log.flush()
    return ((time.process_time() - whole) - (time.thread_time() - own)) / REPEAT / decisions * 1e6


def processor_time(load: Load, tested: Iterable[Server]) -> list[float]:
    """Return the microseconds of processor time that each server uses for a request, the median of some rounds."""
    used: list[list[float]] = []
    for server in tested:
        load.per_second(server.port)
        used.append([])
        for _ in range(round_count(3)):
            before = _ticks(server.pid)
            requests = load.per_second(server.port) * ROUND_SECONDS
            used[-1].append((_ticks(server.pid) - before) * _TICK / requests)
    return [statistics.median(each) for each in used]


def _ticks(pid: int) -> int:
    """Return the processor time, in the system's ticks, of a process and its children."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    # Fields 14 and 15 of the whole line.
    return int(stat[11]) + int(stat[12]) + sum(_ticks(int(child)) for child in children)


def _table(stages: list[Row], log: float, ours: float, echo: float) -> str:
    application = sum(microseconds for _stage, microseconds in stages)
    rows: list[Row] = [
        *stages,
        ("the application in all", application),
        ("keep the decision, in the log's own thread", log),
        ("the web server: HTTP, sockets, threads that take turns", ours - application - log),
        ("**everything**", ours),
        ("for comparison: a raw WSGI echo on the same server", echo),
    ]
    lines = [
        "# Where the time of one single request goes",
        "",
        "Processor time of the web processes, as `make bench PART=profile` measured it; benchmarks/README.md says how.",
        "",
        "| stage | microseconds | share |",
        "|---|---|---|",
        *(f"| {stage} | {microseconds:.2f} | {microseconds / ours:.0%} |" for stage, microseconds in rows),
    ]
    return "\n".join(lines) + "\n"
