"""How long one decision takes inside a process, beside others that are asked the same.

The question is always: may this person open this service? 400 people of a directory of 200,000 are asked about, each
for one service; about three in ten answers are yes. Everybody is asked in turn, round after round, so that the
machine's moods meet all of them.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import peers
from portal import DATA, ROOT, filled
from results import Result

from app.accounts.models import Person
from app.authz import facts
from app.authz.decision_point import decide, policy, use_policy
from app.authz.engine.engine import Engine
from app.authz.information.cache import DirectoryView
from app.kernel import database
from app.vocabulary import PersonState
from tests.authz.engine.plain_oso import PlainOso

ROUNDS = 9
SAMPLE = 400
SMALL = 1_000
CROWD = 18_000
"""Nearly as many people as a process keeps."""

Ask = Callable[[], list[bool]]


class Questions:
    """The people and services of one directory, with all that the contenders want to know."""

    def __init__(self, data: Path, most: int = SAMPLE) -> None:
        database.bind(f"sqlite:///{data / 'tessera.db'}")
        self.view = DirectoryView()
        chance = random.Random(1)  # noqa: S311  (a choice, not a secret)
        with database.connected():
            states = Person.select(Person.public_id).where(Person.state == PersonState.ACTIVE)
            self.names = sorted(name for (name,) in states.tuples())
        chance.shuffle(self.names)
        services = sorted(service.slug for service in self.view.services())
        self.asked = [(name, chance.choice(services)) for name in self.names[:most]]
        self.pairs = [(self._person(name), self._service(slug)) for name, slug in self.asked]

    def _person(self, name: str) -> facts.Person:
        person = self.view.person(name)
        assert person is not None
        return person

    def _service(self, slug: str) -> facts.Service:
        service = self.view.service(slug)
        assert service is not None
        return service


def tessera(questions: Questions) -> Ask:
    """Decide on facts that are at hand."""
    pairs = questions.pairs
    return lambda: [decide(person, "launch", service).allowed for person, service in pairs]


def tessera_with_facts(questions: Questions) -> Ask:
    """Decide as the API does: look whether anything has changed, find the facts, decide."""
    view, asked = questions.view, questions.asked

    def ask() -> list[bool]:
        answers = []
        for name, slug in asked:
            for _revision in view.snapshots():
                person, service = view.person(name), view.service(slug)
            assert person is not None
            assert service is not None
            answers.append(decide(person, "launch", service).allowed)
        return answers

    return ask


def walked(questions: Questions) -> Ask:
    """Walk the recorded trees, as before they are turned into Python."""
    walk, context, now = policy().recording.walk, facts.Context(), time.time()
    found = [walk(person, "launch", service, context, now) for person, service in questions.pairs]
    assert None not in found
    return lambda: [
        walk(person, "launch", service, context, now).allowed  # type: ignore[union-attr]
        for person, service in questions.pairs
    ]


def plain_oso(questions: Questions) -> Ask:
    """Ask oso as it comes, with the shipped policy, about plain objects that are at hand."""
    oso = PlainOso(*sorted((ROOT / "policies").glob("*.polar")))
    now, context = time.time(), oso.copied(facts.Context(), time.time())
    pairs = [(oso.copied(person, now), oso.copied(service, now)) for person, service in questions.pairs]
    return lambda: [oso.ask(person, "launch", service, context) for person, service in pairs]


def pycasbin(questions: Questions) -> Ask:
    """Ask pycasbin, by roles within domains; of states and days it knows nothing, so it is told only what holds now."""
    import casbin

    model = casbin.Enforcer.new_model()
    model.add_def("r", "r", "sub, dom, obj, act")
    model.add_def("p", "p", "sub, obj, act")
    model.add_def("g", "g", "_, _, _")
    model.add_def("e", "e", "some(where (p.eft == allow))")
    model.add_def("m", "m", "g(r.sub, p.sub, r.dom) && r.obj == p.obj && r.act == p.act")
    enforcer = casbin.Enforcer(model)
    for role in questions.view.roles():
        if role.service is not None:
            enforcer.add_policy(role.slug, role.service.slug, "launch")
    asked = []
    for person, service in questions.pairs:
        held = list(roles_now(person))
        for role, domain in held:
            enforcer.add_role_for_user_in_domain(person.public_id, role.slug, domain)
        # It takes one domain a question, so it is asked about the right one.
        domains = [domain for role, domain in held if role.service == service] or ["none"]
        asked.append((person.public_id, domains[0], service.slug))
    return lambda: [enforcer.enforce(name, at, slug, "launch") for name, at, slug in asked]


def roles_now(person: facts.Person) -> Iterator[tuple[facts.Role, str]]:
    """Yield each role of a service that a person holds in good standing, and at which organisation."""
    for held in person.memberships:
        if person.state == held.state == held.organisation.state == "active":
            for grant in held.grants:
                if grant.in_force(time.time()) and grant.role.service is not None:
                    yield grant.role, held.organisation.public_id


CEDAR = """
permit(principal, action == Action::"launch", resource)
when { principal.state == "active" && resource.state == "live" && principal in resource.openers };
"""


def cedarpy(questions: Questions, *, parsed: bool) -> Ask:
    """Ask cedarpy: with the text of the policy and the entities at each call, or with both `parsed` beforehand."""
    import cedarpy as cedar

    asked = []
    for person, service in questions.pairs:
        opened = sorted({role.service.slug for role, _domain in roles_now(person) if role.service is not None})
        told = json.dumps(
            [
                {
                    "uid": {"type": "User", "id": person.public_id},
                    "attrs": {"state": person.state},
                    "parents": [{"type": "Openers", "id": slug} for slug in opened],
                },
                {
                    "uid": {"type": "Service", "id": service.slug},
                    "attrs": {
                        "state": service.state,
                        "openers": {"__entity": {"type": "Openers", "id": service.slug}},
                    },
                    "parents": [],
                },
            ]
        )
        request = {
            "principal": f"User::{json.dumps(person.public_id)}",
            "action": 'Action::"launch"',
            "resource": f"Service::{json.dumps(service.slug)}",
            "context": {},
        }
        asked.append((request, cedar.Entities.from_json_str(told) if parsed else told))
    policies = cedar.PolicySet.from_str(CEDAR) if parsed else CEDAR
    return lambda: [bool(cedar.is_authorized(request, policies, entities).allowed) for request, entities in asked]


def medians(contenders: dict[str, Ask]) -> dict[str, list[float]]:
    """Return how many microseconds a decision took each contender, round by round."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, ask in contenders.items():
            # The quick ones go round often enough for the clock.
            times = 25 if name.startswith("Tessera") else 1
            begun = time.perf_counter()
            for _ in range(times):
                decisions = len(ask())
            took[name].append((time.perf_counter() - begun) / times / decisions * 1e6)
    return took


def cold(questions: Questions) -> float:
    """Return the median milliseconds that it takes to find and decide about somebody who is not in the cache."""
    took = []
    for name in questions.names[SAMPLE : SAMPLE + 2_000]:
        begun = time.perf_counter()
        person = questions.view.person(name)
        assert person is not None
        decide(person, "launch", questions.pairs[0][1])
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def measure() -> list[Result]:
    """Measure everything of this part."""
    peers.python_peers()
    use_policy(Engine.load(ROOT / "policies"))
    small = tessera_with_facts(Questions(filled(DATA / "small", SMALL, SMALL // 20), SMALL))
    large = Questions(filled())
    crowd = tessera_with_facts(Questions(filled(), CROWD))
    ours, looked_up = tessera(large), tessera_with_facts(large)
    for ask in (ours, looked_up, small):
        for _ in range(200):
            ask()
    crowd()
    others = {
        "plain oso": plain_oso(large),
        "pycasbin": pycasbin(large),
        "cedarpy": cedarpy(large, parsed=False),
        "cedarpy, all parsed beforehand": cedarpy(large, parsed=True),
    }
    agreed = ours()
    assert agreed == looked_up()
    for name, ask in others.items():
        assert agreed == ask(), name
    took = medians({"Tessera": ours, "Tessera, facts looked up": looked_up, "Tessera, walked": walked(large), **others})
    grown = medians({"1,000": small, "200,000": crowd})

    def ratio(slow: str, quick: str) -> float:
        return statistics.median(one / other for one, other in zip(took[slow], took[quick], strict=True))

    def median(name: str) -> float:
        return statistics.median(took[name])

    wanted = {"plain oso": 200, "pycasbin": 40, "cedarpy": 80}
    return [
        Result("One decision in process, facts at hand", median("Tessera"), "µs", bar="Tessera"),
        Result(
            "The same with the look for changes and the facts looked up",
            median("Tessera, facts looked up"),
            "µs",
            bar="Tessera, facts looked up",
        ),
        Result("The same tree walked instead of compiled", median("Tessera, walked"), "µs", bar="Tessera, tree walked"),
        *(Result(f"The same question to {name}", median(name), "µs", bar=name) for name in others),
        *(Result(f"Quicker than {name}", ratio(name, "Tessera"), "times", least=wanted.get(name)) for name in others),
        *(
            Result(f"Quicker than {name}, facts looked up", ratio(name, "Tessera, facts looked up"), "times")
            for name in others
        ),
        Result(f"Facts looked up, {CROWD:,} of 200,000 people in turn", statistics.median(grown["200,000"]), "µs"),
        Result(
            "That against everybody of 1,000 in turn",
            statistics.median(one / other for one, other in zip(grown["200,000"], grown["1,000"], strict=True)),
            "times",
            most=1.3,
        ),
        Result("Somebody who is not in the cache (SQLite)", cold(large), "ms", most=1),
        Result("Share of yes among the answers", 100 * sum(agreed) / SAMPLE, "%"),
    ]
