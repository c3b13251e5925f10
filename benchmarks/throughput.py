"""Part `throughput`: how many evaluations a second are answered over HTTP, beside other servers in the same run.

Two web processes, 16 connections, the decision log on. The load generator shares the machine with the servers.
"""

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.load import CONNECTIONS, Connection, Load, evaluation, evaluations, require_wrk
from benchmarks.peers import MissingPeerError
from benchmarks.portal import DATA, Server, fill, new_key, serving
from benchmarks.results import Result, median, ratio
from benchmarks.rounds import measure_in_turn, round_count
from benchmarks.sample import Sample

ROUNDS = 5
SERVICE = "training"
BATCH = 100
"""As many as a portal answers at once unless it is set otherwise."""
CACHED = 18_000
"""Nearly as many people as a process caches."""
JUST_ABOVE, FAR_ABOVE = 25_000, 100_000
"""A few more, and many more, people than the 20,000 that a process caches."""
SINGLE, SEVERAL = "/access/v1/evaluation", "/access/v1/evaluations"

Took = dict[str, list[float]]


def measure() -> list[Result]:
    """Measure everything of this part. Raises AssertionError unless Cerbos gives the same answers."""
    require_wrk()
    data = fill()
    sample = Sample(data)
    key = new_key(data, SERVICE)
    with tempfile.TemporaryDirectory() as folder:
        took, why, search = _measure_beside_others(Path(folder), sample, key)
        return [
            *_singles(took, why),
            *_batches(took, why),
            Result("Subject search over 200,000 people, a page of 50", search, "ms", most=300),
            *_measure_alone(Path(folder), sample, key),
        ]


def _measure_beside_others(folder: Path, sample: Sample, key: str) -> tuple[Took, str, float]:
    """Return what each contender took, why Cerbos is missing if it is, and the milliseconds of a search."""
    names = [name for name, _service in sample.names]
    singles = [evaluation(name, SERVICE) for name in names]
    single = Load(folder, "single", SINGLE, singles, key=key)
    batch = Load(folder, "batch", SEVERAL, _in_batches(names), key=key, evaluations=BATCH)
    missing = ""
    with ExitStack() as stack:
        tessera = stack.enter_context(serving(DATA, WORKERS="2"))
        echo = stack.enter_context(servers.wsgi(folder, "echo", servers.ECHO))
        bare = stack.enter_context(servers.wsgi(folder, "bare", servers.BARE_FLASK))
        loads: dict[str, Callable[[], float]] = {
            "Tessera": lambda: single.per_second(tessera.port),
            "a bare Flask route": lambda: single.per_second(bare.port),
            "a raw WSGI echo": lambda: single.per_second(echo.port),
            "batches": lambda: batch.per_second(tessera.port),
        }
        try:
            cerbos = stack.enter_context(servers.cerbos(folder))
        except MissingPeerError as error:
            missing = str(error)
        else:
            _check_answers(tessera, key, cerbos, sample)
            loads |= _cerbos_loads(folder, cerbos, sample)
        # Once for the caches.
        for load in loads.values():
            load()
        took = measure_in_turn(loads, ROUNDS)
        return took, missing, _search_milliseconds(tessera.port, key)


def _cerbos_loads(folder: Path, cerbos: Server, sample: Sample) -> dict[str, Callable[[], float]]:
    subjects = [_subject(person.public_id, servers.cerbos_attributes(person)) for person, _service in sample.facts]
    single = Load(
        folder,
        "cerbos",
        SINGLE,
        [evaluation(person.public_id, SERVICE, servers.cerbos_attributes(person)) for person, _ in sample.facts],
    )
    batch = Load(folder, "cerbos-batch", SEVERAL, _in_batches(subjects), evaluations=BATCH)
    largest = Load(
        folder,
        "cerbos-largest",
        servers.CHECK_RESOURCES,
        [servers.check_resources(person, sample.services) for person, _service in sample.facts[:40]],
        evaluations=servers.CERBOS_BATCH,
        # They occupy all processors, and with 16 too few would end within a round to count them.
        connections=4,
    )
    return {
        "Cerbos": lambda: single.per_second(cerbos.port),
        "Cerbos, batches": lambda: batch.per_second(cerbos.port),
        "Cerbos, largest batches": lambda: largest.per_second(cerbos.port),
    }


def _in_batches(subjects: Sequence[Any]) -> list[dict[str, Any]]:
    """Return batches of `subjects`, which are names or what AuthZEN has for a subject."""
    whole = [_subject(one) if isinstance(one, str) else one for one in subjects]
    return [evaluations(whole[start : start + BATCH], SERVICE) for start in range(0, len(whole) - BATCH + 1, 20)]


def _subject(name: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    subject: dict[str, Any] = evaluation(name, SERVICE, properties)["subject"]
    return subject


def _check_answers(tessera: Server, key: str, cerbos: Server, sample: Sample) -> None:
    """Raise AssertionError unless both servers give the same answers, each to its own kinds of request."""
    ours, theirs = Connection(tessera.port, key), Connection(cerbos.port)
    for number, (person, _service) in enumerate(sample.facts):
        allowed = ours.post(SINGLE, evaluation(person.public_id, SERVICE))["decision"]
        attributes = servers.cerbos_attributes(person)
        assert allowed == theirs.post(SINGLE, evaluation(person.public_id, SERVICE, attributes))["decision"]
        several = evaluations([_subject(person.public_id, attributes)], SERVICE)
        assert [allowed] == [answer["decision"] for answer in theirs.post(SEVERAL, several)["evaluations"]]
        if number < 40:
            results = theirs.post(servers.CHECK_RESOURCES, servers.check_resources(person, sample.services))["results"]
            effects = {one["actions"]["launch"] for one in results if one["resource"]["id"] == SERVICE}
            assert effects == {"EFFECT_ALLOW" if allowed else "EFFECT_DENY"}


def _singles(took: Took, missing: str) -> list[Result]:
    names = ["Tessera", *(["Cerbos"] if not missing else []), "a bare Flask route", "a raw WSGI echo"]
    what = "Against Cerbos on its AuthZEN address"
    return [
        *(median(f"Single requests over HTTP: {name}", took[name], "a second", bar=name) for name in names),
        Result(what, 0, "", least=5, missing=missing)
        if missing
        else ratio(what, took["Tessera"], took["Cerbos"], least=5),
        ratio("Against a raw WSGI echo on the same server", took["Tessera"], took["a raw WSGI echo"], least=0.5),
        ratio("Against a bare Flask route on the same server", took["Tessera"], took["a bare Flask route"]),
    ]


def _batches(took: Took, missing: str) -> list[Result]:
    ours = [
        median(f"Evaluations in batches of {BATCH} over HTTP", took["batches"], "a second", least=100_000),
        ratio("Evaluations in batches: against our single requests", took["batches"], took["Tessera"], least=10),
    ]
    what = "Evaluations in batches: against Cerbos, its largest"
    if missing:
        return [*ours, Result(what, 0, "", least=10, missing=missing)]
    largest = f"Cerbos, one person and {servers.CERBOS_BATCH} resources by CheckResources"
    return [
        *ours,
        median(f"{largest}: evaluations", took["Cerbos, largest batches"], "a second"),
        median(f"Cerbos, {BATCH} people by AuthZEN: evaluations", took["Cerbos, batches"], "a second"),
        ratio(what, took["batches"], took["Cerbos, largest batches"], least=10),
        ratio("Evaluations in batches: against Cerbos, the same people", took["batches"], took["Cerbos, batches"]),
    ]


def _measure_alone(folder: Path, sample: Sample, key: str) -> list[Result]:
    """Measure one web process: its memory, and how long it takes while every entry of its cache is in use."""
    everybody = sample.everybody
    cached = [evaluation(name, SERVICE) for name in everybody[FAR_ABOVE - CACHED : FAR_ABOVE]]
    load = Load(folder, "cached", SINGLE, cached, key=key)
    with serving(DATA, WORKERS="1") as alone:
        just_above = _megabytes_after(alone.port, key, everybody[:JUST_ABOVE])
        far_above = _megabytes_after(alone.port, key, everybody[JUST_ABOVE:FAR_ABOVE])
        slow = [load.percentile_99(alone.port) for _ in range(round_count(ROUNDS))]
    return [
        Result(f"Memory of a web process after {JUST_ABOVE:,} people, more than it keeps", just_above, "MB", most=200),
        Result(f"After {FAR_ABOVE:,} people", far_above, "MB", most=200),
        median(
            f"One process, {CONNECTIONS} connections, {CACHED:,} people in turn: 99 of 100 answered within", slow, "ms"
        ),
    ]


def _search_milliseconds(port: int, key: str) -> float:
    """Return the median of a subject search over everybody, page after page of 50, in as many passes as rounds."""
    return statistics.median(_search_pass(Connection(port, key)) for _ in range(round_count(ROUNDS)))


def _search_pass(connection: Connection) -> float:
    body: dict[str, Any] = evaluation("", SERVICE) | {"subject": {"type": "user"}, "page": {"limit": 50}}
    took = []
    for _ in range(40):
        begun = time.perf_counter()
        answer = connection.post("/access/v1/search/subject", body)
        took.append((time.perf_counter() - begun) * 1e3)
        assert answer["results"]
        body["page"] = {"token": answer["page"]["next_token"]}
        if not body["page"]["token"]:
            break
    return statistics.median(took)


def _megabytes_after(port: int, key: str, names: Sequence[str]) -> float:
    """Ask about everybody in `names`, over all connections, and return how large the web process is then."""

    def ask(share: Sequence[str]) -> None:
        connection = Connection(port, key)
        for start in range(0, len(share), BATCH):
            connection.post(SEVERAL, evaluations([_subject(name) for name in share[start : start + BATCH]], SERVICE))

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(ask, (names[place::CONNECTIONS] for place in range(CONNECTIONS))))
    return _largest_process()


def _largest_process() -> float:
    """Return the megabytes of the largest process that belongs to the portal under test."""
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
