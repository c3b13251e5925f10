"""Part `decisions`: how long one decision takes inside a process, beside other engines that decide the same.

400 people out of 200,000 are asked about, each with one service; about three in ten answers are allow.
"""

import statistics
import time
from collections.abc import Callable

from app.authz import facts
from app.authz.decision_point import decide, policy
from app.runtime import use
from benchmarks import engines
from benchmarks.engines import Ask
from benchmarks.peers import MissingPeerError, install_python_peers
from benchmarks.portal import DATA, fill
from benchmarks.results import Result, median, ratio
from benchmarks.rounds import measure_in_turn
from benchmarks.sample import SIZE, Sample

ROUNDS = 9
SMALL = 1_000
CROWD = 18_000
"""Nearly as many people as a process caches."""
COLD = 2_000

TARGETS = {"plain oso": 200, "pycasbin": 40, "cedarpy": 80}


def facts_at_hand(sample: Sample) -> Ask:
    """Decide on facts that are at hand."""
    runtime, pairs = sample.runtime, sample.facts

    def ask() -> list[bool]:
        use(runtime)
        return [decide(person, "launch", service).allowed for person, service in pairs]

    return ask


def facts_looked_up(sample: Sample) -> Ask:
    """Decide as the API does: look for changes, find the facts, decide."""
    runtime, view, names = sample.runtime, sample.view, sample.names

    def ask() -> list[bool]:
        use(runtime)
        answers = []
        for name, slug in names:
            for _revision in view.snapshots():
                person, service = view.person(name), view.service(slug)
            assert person is not None
            assert service is not None
            answers.append(decide(person, "launch", service).allowed)
        return answers

    return ask


def tree_walked(sample: Sample) -> Ask:
    """Decide by walking the recorded trees, without the code that is generated from them."""
    use(sample.runtime)
    walk, context, now = policy().recording.walk, facts.Context(), time.time()

    def ask() -> list[bool]:
        leaves = [walk(person, "launch", service, context, now) for person, service in sample.facts]
        return [leaf.allowed for leaf in leaves if leaf is not None]

    return ask


def timed(ask: Ask, repeat: int) -> Callable[[], float]:
    """Return a function that asks `repeat` times and returns how many microseconds a decision took."""

    def measure() -> float:
        begun = time.perf_counter()
        for _ in range(repeat):
            decisions = len(ask())
        return (time.perf_counter() - begun) / repeat / decisions * 1e6

    return measure


def uncached(sample: Sample) -> float:
    """Return the median milliseconds that it takes to load and decide about somebody who is not cached."""
    use(sample.runtime)
    took = []
    for name in sample.everybody[SIZE : SIZE + COLD]:
        begun = time.perf_counter()
        person = sample.view.person(name)
        assert person is not None
        decide(person, "launch", sample.facts[0][1])
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def measure() -> list[Result]:
    """Measure everything of this part. Raises AssertionError unless all engines give the same answers."""
    install_python_peers()
    small = facts_looked_up(Sample(fill(DATA / "small", SMALL, SMALL // 20), SMALL))
    large = Sample(fill())
    crowd = facts_looked_up(Sample(fill(), CROWD))
    ours = {"Tessera": facts_at_hand(large), "Tessera, facts looked up": facts_looked_up(large)}
    for ask in (*ours.values(), small):
        for _ in range(200):
            ask()
    crowd()
    others, missing = _others(large)
    answers = ours["Tessera"]()
    for name, ask in (ours | others).items():
        assert ask() == answers, name
    walked = tree_walked(large)
    assert walked() == answers
    # The quick ones are repeated, so that each takes the clock long enough.
    quick = {name: timed(ask, 25) for name, ask in (ours | {"Tessera, tree walked": walked}).items()}
    took = measure_in_turn(quick | {name: timed(ask, 1) for name, ask in others.items()}, ROUNDS)
    grown = measure_in_turn({"1,000": timed(small, 10), "200,000": timed(crowd, 1)}, ROUNDS)
    return [
        _time("One decision in process, facts at hand", took, "Tessera"),
        _time("The same with the look for changes and the facts looked up", took, "Tessera, facts looked up"),
        _time("The same tree walked instead of compiled", took, "Tessera, tree walked"),
        *(_time(f"The same question to {name}", took, name) for name in others),
        *(Result(f"The same question to {name}", 0, "", missing=why) for name, why in missing.items()),
        *(ratio(f"Quicker than {name}", took[name], took["Tessera"], least=TARGETS.get(name)) for name in others),
        *(
            ratio(f"Quicker than {name}, facts looked up", took[name], took["Tessera, facts looked up"])
            for name in others
        ),
        median(f"Facts looked up, {CROWD:,} of 200,000 people in turn", grown["200,000"], "µs"),
        ratio("That against everybody of 1,000 in turn", grown["200,000"], grown["1,000"], most=1.3),
        Result("Somebody who is not in the cache (SQLite)", uncached(large), "ms", most=1),
        Result("Share of allow among the answers", 100 * sum(answers) / SIZE, "%"),
    ]


def _others(sample: Sample) -> tuple[dict[str, Ask], dict[str, str]]:
    """Return the other engines, and why some are missing."""
    others = {
        "plain oso": engines.plain_oso(sample),
        "pycasbin": engines.pycasbin(sample),
        "cedarpy": engines.cedarpy(sample, parsed=False),
        "cedarpy, all parsed beforehand": engines.cedarpy(sample, parsed=True),
        "regorus": engines.regorus(sample, compiled=False),
        "regorus, compiled": engines.regorus(sample, compiled=True),
    }
    try:
        return others | {"SpiceDB": engines.spicedb(sample)}, {}
    except MissingPeerError as error:
        return others, {"SpiceDB": str(error)}


def _time(what: str, took: dict[str, list[float]], name: str) -> Result:
    return median(what, took[name], "µs", bar=name)
