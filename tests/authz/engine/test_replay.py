"""Recorded decisions are the decisions that oso makes: always, and not only on the paths somebody thought of."""

import os
import random
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.authz import facts
from app.authz.engine import replay
from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.engine.replay import Recording
from app.authz.engine.tree import Compare, Const, Field, Leaf
from app.config import ROOT
from app.kernel import clock
from app.vocabulary import PERMISSIONS
from tests.authz.engine.plain_oso import PlainOso
from tests.authz.engine.plain_rules import allowed
from tests.authz.engine.random_facts import NOW, Directory, directories

USUAL_DECISIONS = 20_000
DECISIONS = int(os.environ.get("DECISIONS", USUAL_DECISIONS))
"""How many random decisions are compared. Up to the usual number they are the same ones each time; `make soak` compares
a million, which are others each time."""
AT_ONCE = 200

ENGINE = Engine.load(ROOT / "policies")
PLAIN = PlainOso(*sorted((ROOT / "policies").glob("*.polar")))

thorough = settings(
    deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=DECISIONS <= USUAL_DECISIONS
)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile soon, so that compiled trees answer most of what is compared; and let oso wait for a busy machine."""
    monkeypatch.setattr(replay, "COMPILE_AFTER", 5)
    monkeypatch.setenv("POLAR_TIMEOUT_MS", "0")


def compared(
    directory: Directory, actor: facts.Fact, action: str, resource: facts.Fact, context: facts.Context
) -> bool:
    """Return whether this is allowed, once every way of deciding has said the same."""
    now = directory.now.timestamp()
    question = (actor, action, resource, context)
    with clock.pinned(directory.now):
        answer = ENGINE.answer(*question, now).allowed
    walked = ENGINE.recording.walk(*question, now)
    assert (walked is None) or (walked.allowed == answer)
    assert answer == PLAIN.allows(*question, now)
    assert answer == allowed(*question, directory.now)
    return answer


@pytest.mark.slow
def test_every_way_of_deciding_comes_to_the_same_decision() -> None:
    # What is always allowed, or never, is not compared; so what chance leaves out is looked for.
    missing = {
        (kind, str(action), answer)
        for kind, actions in PERMISSIONS.items()
        for action in actions
        for answer in (True, False)
    }

    @given(directories(), st.randoms(use_true_random=True))
    @settings(thorough, max_examples=max(15, DECISIONS // AT_ONCE))
    def decides_alike(directory: Directory, chance: random.Random) -> None:
        actors = [directory.officer, *directory.people, *directory.actors]
        by_kind: dict[str, list[facts.Fact]] = {}
        for resource in directory.resources:
            by_kind.setdefault(type(resource).__name__, []).append(resource)
        for _ in range(AT_ONCE):
            actor = chance.choice(actors)
            kinds = ("Evaluation", "Person") if actor is directory.client else sorted(PERMISSIONS)
            kind = chance.choice(kinds)
            resource = chance.choice(by_kind.get(kind) or [facts.Portal()])
            kind = type(resource).__name__
            action = str(chance.choice(sorted(PERMISSIONS[kind])))
            answer = compared(directory, actor, action, resource, chance.choice(directory.contexts))
            missing.discard((kind, action, answer))
        for kind, action, answer in sorted(missing):
            for actor, one, context in product(actors, by_kind.get(kind, ()), directory.contexts):
                if ENGINE.answer(actor, action, one, context, directory.now.timestamp()).allowed is answer:
                    assert compared(directory, actor, action, one, context) is answer
                    missing.discard((kind, action, answer))
                    break

    decides_alike()
    assert missing == set()


NASTY = """
type allow(_actor, _action, _resource, _context);
allow(person: Person, "negation", _r, _c) if
  not person.state = "active";
allow(person: Person, "unequal", other: Person, _c) if
  person.state != other.state;
allow(person: Person, "text_of_both", other: Person, _c) if
  person.state = other.state and other.state = "active";
allow(person: Person, "two_texts", _r, _c) if
  person.state = "closed" or (person.state = "active" and not person.state = "invited");
allow(person: Person, "through_a_variable", _r, _c) if
  state = person.state and state = "active" and kept(state, "active");
allow(person: Person, "head", _r, _c) if
  named(person.state);
allow(person: Person, "for_all", _r, _c) if
  forall(m in person.memberships, m.state = "active");
allow(person: Person, "for_all_grants", _r, _c) if
  forall(m in person.memberships, forall(g in m.grants, g.in_force = true));
allow(person: Person, "nested", _r, _c) if
  m in person.memberships and g in m.grants and
  n in person.memberships and m != n and h in n.grants and g.role.service = h.role.service;
allow(person: Person, "or", _r, _c) if
  person.state = "closed" or ("support" in person.staff_roles and not person.state = "invited");
allow(person: Person, "cut", _r, _c) if
  person.state = "active" and cut and "support" in person.staff_roles;
allow(person: Person, "cut", _r, _c) if
  person.state = "active";
allow(_p: Person, "nil", resource, _c) if
  resource matches Role and resource.organisation = nil;
allow(person: Person, "not_in", _r, _c) if
  not "support" in person.staff_roles and not (m in person.memberships and m.state = "ended");
allow(person: Person, "a_list", _r, _c) if
  person.staff_roles matches List and "support" in person.staff_roles;
allow(person: Person, "no_list", _r, _c) if
  not (person.staff_roles matches List and "support" in person.staff_roles);
allow(person: Person, "one_of", _r, _c) if
  person.state in ["active", "invited"];
allow(person: Person, "list", _r, _c) if
  [first, *_] = ["active", "closed"] and person.state = first;
allow(person: Person, "twice", _r, _c) if
  m in person.memberships and m in person.memberships and m.organisation.state = "active";
allow(person: Person, "kind", resource, _c) if
  resource matches Person and person = resource;
allow(person: Person, "differs", resource, _c) if
  resource matches Person and person != resource;
allow(person: Person, "order", _r, _c) if
  person.state >= "active" and person.state < "closed";
allow(person: Person, "specific", _r, _c) if
  person matches Person{state: "active"};
allow(person: Person, "staff", _r, _c) if
  role in person.staff_roles and known(role);
allow(person: Person, "context", _r, context: Context) if
  m in person.memberships and context.organisation = m.organisation;
allow(_p: Person, "property", record: Record, _c) if
  record.properties.status = "archived";
allow(_p: Person, "not_property", record: Record, _c) if
  not record.properties.status = "archived";
allow(_p: Person, "unequal_property", record: Record, context: Context) if
  record.properties.status != context.action.status;
allow(_p: Person, "same_property", record: Record, context: Context) if
  record.properties.size = context.action.size and record.properties.size != nil;
allow(_p: Person, "sum", record: Record, context: Context) if
  record.properties.size + 1 > context.request.size;
allow(_p: Person, "division", record: Record, _c) if
  1 / record.properties.size < 1;
allow(_p: Person, "tags", record: Record, _c) if
  "x" in record.properties.tags and not "y" in record.properties.tags;
allow(_p: Person, "tags_of_both", record: Record, context: Context) if
  tag in record.properties.tags and tag in context.request.tags;
allow(person: Person, "deep", _r, _c) if
  person.properties.nested.status = "active";
allow(_p: Person, "soft", _r, context: Context) if
  context.action.soft = true;
allow(person: Person, "owner", record: Record, _c) if
  record.properties.owner = person.properties.owner;
allow(person: Person, "own", record: Record, _c) if
  record.properties.owner = person.public_id;
allow(person: Person, "not_own", record: Record, _c) if
  record.properties.owner matches String and record.properties.owner != person.public_id;
allow(person: Person, "own_place", record: Record, _c) if
  m in person.memberships and record.properties.owner = m.organisation.public_id;

allow(person: Person, "block", record: Record, _c) if
  has_permission(person, "x", record);
has_role(_p: Person, "y", record: Record) if
  record.properties.status = "active";
actor Person {}
kept(a, a);
named("active");
named("closed");
known("auditor");
"""
NASTY_ACTIONS = sorted({line.split('"')[1] for line in NASTY.splitlines() if line.startswith("allow(") and '"' in line})


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, PlainOso]:
    folder: Path = tmp_path_factory.mktemp("nasty")
    (folder / "main.polar").write_text(NASTY)
    (folder / "record.polar").write_text('resource Record { permissions = ["x"]; roles = ["y"]; "x" if "y"; }')
    return Engine.load(folder), PlainOso(*sorted(folder.glob("*.polar")))


def outcome(engine: Engine, *question: object) -> bool | str:
    try:
        return engine.answer(*question).allowed  # type: ignore[arg-type]
    except PolicyError as error:
        return error.sentence


@pytest.mark.slow
def test_nasty_rules_are_replayed_as_oso_decides_them(nasty: tuple[Engine, PlainOso]) -> None:
    engine, plain = nasty

    @given(directory=directories())
    # With fewer, some rules would allow nothing, or everything.
    @settings(thorough, max_examples=max(125, DECISIONS // 160))
    def decides_alike(directory: Directory) -> None:
        now = directory.now.timestamp()
        person, other, _ = directory.people
        for action in NASTY_ACTIONS:
            for actor, thing, context in (
                (person, other, directory.contexts[0]),
                (other, other, directory.contexts[1]),
                (other, directory.roles[0], directory.contexts[2]),
                (person, directory.records[0], directory.contexts[1]),
                (other, directory.records[1], directory.contexts[2]),
            ):
                question = (actor, action, thing, context, now)
                try:
                    polar: bool | str = engine.ask_polar(*question)[0]
                except PolicyError as error:
                    polar = error.sentence
                assert outcome(engine, *question) == polar
                assert outcome(engine, *question) == polar
                # The guard refuses more than oso does, and never the other way round.
                assert not isinstance(polar, bool) or polar == plain.says(*question)

    decides_alike()
    # Where a rule allows nothing, or everything, nothing was compared.
    seen = {(root[0], leaf.allowed) for root, tree in engine.recording._roots.items() for leaf in leaves(tree)}
    assert seen >= {(action, allowed) for action in NASTY_ACTIONS for allowed in (True, False)}


def leaves(tree: object) -> list[Leaf]:
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for branch in tree.branches.values() for leaf in leaves(branch)]  # type: ignore[attr-defined]


VALUES: list[object] = [None, True, False, 0, 3, 10**30, -0.0, 10.0, 2.5, "3", "", [3]]


@pytest.mark.parametrize("rule", ["record.properties.x matches {kind}", "is_one(record.properties.x)"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Integer", [0, 3, 10**30, -0.0, 10.0]),
        ("Float", [-0.0, 10.0, 2.5]),
        ("Boolean", [True, False]),
        ("String", ["3", ""]),
        ("List", [[3]]),
    ],
)
def test_values_have_the_types_that_json_gives_them(
    tmp_path: Path, rule: str, kind: str, expected: list[object]
) -> None:
    text = f'type allow(_a, _b, _c, _d);\nallow(_p, "x", record, _c) if {rule.format(kind=kind)};'
    (tmp_path / "main.polar").write_text(f"{text}\nis_one(_: {kind});\n" if "is_one" in rule else text)
    engine = Engine.load(tmp_path)
    # Asked of Polar, then walked, then compiled.
    for value in VALUES * 8:
        record = facts.declared_kind("Record")("r", facts.Properties({"x": value}))
        answer = engine.answer(facts.Guest(), "x", record, facts.Context(), 0.0).allowed
        assert answer == (repr(value) in map(repr, expected)), value


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('"a" in record.properties.x', True),
        ("record.properties.y in record.properties.x", True),
        ("record.properties.y = 7", False),
        ("record.properties.y = 9223372036854775807", False),
        ("record.properties.y != 7", None),
        ('record.properties.y != "7"', None),
        ("record.properties.y < 7", None),
        ("record.properties.y > 7", None),
        ("record.properties.y + 1 > 7", None),
    ],
)
def test_a_whole_number_that_is_too_large_for_polar_is_another_one_than_any_other(
    tmp_path: Path, rule: str, expected: bool | None
) -> None:
    (tmp_path / "main.polar").write_text(f'type allow(_a, _b, _c, _d);\nallow(_p, "x", record, _c) if {rule};')
    engine = Engine.load(tmp_path)
    for large in (2**63, -(2**63) - 1, 10**999):
        record = facts.declared_kind("Record")("r", facts.Properties({"x": [large - 1, large, "a"], "y": large}))
        for _ in range(3):
            said = outcome(engine, facts.Guest(), "x", record, facts.Context(), 0.0)
            assert (None if isinstance(said, str) else said) is expected


MISSING: dict[str, tuple[object, ...]] = {
    # Rule: what it says when both are missing, one is, both are null, both are "a".
    "record.properties.x = person.properties.x": (False, False, False, True),
    "mine = person.properties.x and record.properties.x = mine": (False, False, False, True),
    "a = person.properties.x and b = record.properties.x and a = b": (False, False, False, True),
    "same(record.properties.x, person.properties.x)": (False, False, False, True),
    "alike(record.properties.x, person.properties.x)": (False, False, False, True),
    "alike(record.properties.x, record.properties.x)": (False, False, False, True),
    "record.properties.x in [person.properties.x]": (False, False, False, True),
    "[record.properties.x] = [person.properties.x]": (False, False, False, True),
    "person matches Person{properties: p} and record.properties.x = p.x": (False, False, False, True),
    "record.properties.x = context.organisation": (False, False, False, False),
    "record.properties.x = nil and person.properties.x = nil": (True, False, True, False),
    "nothing = nil and record.properties.x = nothing": (True, True, True, False),
    "record.properties.x in [nil]": (True, True, True, False),
    "record.properties.x != nil": (False, False, False, True),
    "record.properties.x != person.properties.x": (None, None, None, False),
    'record.properties.x != "b"': (None, None, None, True),
    'differs(record.properties.x, "b")': (None, None, None, True),
    "record.properties.x != 5": (None, None, None, None),
    "record.properties.x <= person.properties.x": (None, None, None, True),
    "record.properties.x < 5": (None, None, None, None),
    "record.properties.x + 1 > 0": (None, None, None, None),
    '"a" in record.properties.x': (None, None, None, None),
    "x in record.properties.tags and x in person.properties.tags": (None, None, False, True),
}


@pytest.mark.parametrize("rule", MISSING)
def test_what_is_missing_equals_the_constant_nil_and_nothing_else(tmp_path: Path, rule: str) -> None:
    (tmp_path / "main.polar").write_text(
        f'type allow(_a, _b, _c, _d);\nallow(person: Person, "x", record, context) if\n'
        f"  used(person, record, context) and {rule};\n"
        "used(_, _, _);\nsame(x, x);\nalike(one, other) if one = other;\ndiffers(one, other) if one != other;\n"
    )
    engine = Engine.load(tmp_path)
    told = [({}, {}), ({}, {"x": "a", "tags": ["a"]}), *(({"x": x, "tags": [x]},) * 2 for x in (None, "a"))]

    def says(record: dict[str, object], person: dict[str, object]) -> bool | None:
        question = (
            facts.Person("a", "active", (), facts.Properties(person)),
            "x",
            facts.declared_kind("Record")("r", facts.Properties(record)),
            facts.Context(),
        )
        try:
            return engine.answer(*question, 0.0).allowed
        except PolicyError:
            return None

    # Asked of Polar, then walked, then compiled.
    for _ in range(9):
        assert tuple(says(*one) for one in told) == MISSING[rule]


@pytest.mark.parametrize("odd", [5, True, None, 2.5, ["a"], [], {"a": "a"}, [[{"a": ["a"]}]], "b"], ids=repr)
@pytest.mark.parametrize(
    ("rule", "allows"),
    [
        ("person.public_id in record.properties.x", True),
        ("x in record.properties.x and x = person.public_id", True),
        ('not "c" in record.properties.x and person.state = "active"', True),
        ("not person.public_id in record.properties.x", False),
        ("record.properties.only = person.public_id or person.public_id in record.properties.x", True),
    ],
)
def test_one_odd_element_makes_nobody_elses_answer_a_no(tmp_path: Path, rule: str, allows: bool, odd: object) -> None:
    head = 'type allow(_a, _b, _c, _d);\nallow(person: Person, "x", record, _c) if '
    (tmp_path / "main.polar").write_text(f"{head}{rule};\n")
    engine, plain = Engine.load(tmp_path), PlainOso(tmp_path / "main.polar")
    person = facts.Person("a", "active")
    for values in ([odd, "a"], ["a", odd], [odd, "a", odd]) * 4:
        record = facts.declared_kind("Record")("r", facts.Properties({"x": values, "only": odd}))
        question = (person, "x", record, facts.Context(), 0.0)
        assert engine.answer(*question).allowed == plain.allows(*question) == allows


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("1 / record.properties.x < 0", [0.0, -0.0, 2, -2, 2.0]),
        ("record.properties.x = nil", [None, False, 0, ""]),
        ("record.properties.x = 1", [True, 1, 1.0, 2]),
        ("record.properties.x = true", [1, True, False]),
    ],
)
def test_values_that_python_takes_for_the_same_are_told_apart(tmp_path: Path, rule: str, values: list[object]) -> None:
    (tmp_path / "main.polar").write_text(f'type allow(_a, _b, _c, _d);\nallow(_p, "x", record, _c) if {rule};')
    engine, plain = Engine.load(tmp_path), PlainOso(tmp_path / "main.polar")
    for value in values * 5:
        record = facts.declared_kind("Record")("r", facts.Properties({"x": value}))
        question = (facts.Guest(), "x", record, facts.Context(), 0.0)
        assert engine.answer(*question).allowed == plain.allows(*question)


def test_a_decision_that_was_made_before_is_not_put_to_polar_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.load(ROOT / "policies")
    person = facts.Person("a", "active")
    assert engine.allows(person, "see_home", facts.Portal(), facts.Context())
    monkeypatch.setattr(engine, "ask_polar", lambda *_: pytest.fail("asked again"))
    for number in range(20):
        assert engine.allows(facts.Person(str(number), "active"), "see_home", facts.Portal(), facts.Context())


def member(at: facts.Organisation, *grants: facts.Grant) -> facts.Person:
    """Return an active person with these grants at one organisation."""
    return facts.with_memberships(
        facts.Person("a", "active"), lambda owner: [facts.Membership("m", owner, at, "active", grants)]
    )


def test_people_with_different_names_share_one_path() -> None:
    """Texts are compared outside Polar, so that a tree does not grow with every name."""
    engine = Engine.load(ROOT / "policies")
    at = facts.Organisation("o", "active", "UTC")
    for number in range(50):
        service = facts.Service(f"s{number}", "live")
        role = facts.Role(f"s{number}:r", service, at, officers_may_give=True)
        person = member(at, facts.Grant(role, None, None))
        assert engine.allows(person, "use", role, facts.Context())
        assert engine.allows(person, "launch", service, facts.Context())
        assert not engine.allows(person, "add_person", at, facts.Context())
    assert len(engine.recording.leaves) == 3


def test_time_goes_on_in_a_replayed_decision() -> None:
    organisation = facts.Organisation("a", "active", "UTC")
    service = facts.Service("s", "live")
    grant = facts.Grant(facts.Role("s:r", service, organisation, officers_may_give=True), None, NOW)
    person = member(organisation, grant)

    def opens(moment: datetime) -> bool:
        with clock.pinned(moment):
            return ENGINE.allows(person, "launch", service, facts.Context())

    before, after = NOW - timedelta(microseconds=1), NOW
    assert [opens(moment) for _ in range(9) for moment in (before, after)] == [True, False] * 9


def test_an_error_is_never_recorded(tmp_path: Path) -> None:
    (tmp_path / "main.polar").write_text(
        'type allow(_a, _b, _c, _d);\nallow(p: Person, "x", _r, _c) if p.state = "active" and p.nothing = 1;'
    )
    engine = Engine.load(tmp_path)
    for _ in range(9):
        with pytest.raises(PolicyError):
            engine.allows(facts.Person("a", "active"), "x", facts.Portal(), facts.Context())
    assert not engine.allows(facts.Person("a", "closed"), "x", facts.Portal(), facts.Context())
    with pytest.raises(PolicyError):
        engine.allows(facts.Person("a", "active"), "x", facts.Portal(), facts.Context())


def test_somebody_with_hundreds_of_roles_is_decided_about_like_everybody() -> None:
    engine = Engine.load(ROOT / "policies")
    at = facts.Organisation("o", "active", "UTC")
    services = [facts.Service(f"s{number}", "live") for number in range(400)]
    grants = [facts.Grant(facts.Role(s.slug, s, at, officers_may_give=True), None, None) for s in services]
    person = member(at, *grants)
    for _ in range(20):
        assert engine.allows(person, "launch", facts.Service("s399", "live"), facts.Context())
        assert not engine.allows(person, "launch", facts.Service("x", "live"), facts.Context())


class TestARecording:
    person, portal, context = facts.Person("a", "active"), facts.Portal(), facts.Context()
    path = ((Field(0, "state"), str), (Compare("==", 3, Const("active", str)), True))

    def test_takes_no_more_than_its_bound_and_still_answers_what_it_knows(self) -> None:
        kept = Recording(node_limit=3)
        assert kept.add(self.person, "x", self.portal, self.path, allowed=True) is not None
        assert kept.add(self.person, "y", self.portal, self.path, allowed=True) is None
        known = kept.replay(self.person, "x", self.portal, self.context, 0)
        assert known is not None
        assert known.allowed
        assert kept.replay(self.person, "y", self.portal, self.context, 0) is None

    def test_leaves_each_kind_of_thing_its_own_room(self) -> None:
        kept = Recording(node_limit=3)
        for number in range(9):
            amount = ((Field(1, "amount"), (int, number)),)
            kept.add(self.person, "x", facts.declared_kind("Bill")("b"), amount, allowed=True)
        assert kept.add(self.person, "x", self.portal, self.path, allowed=True) is not None

    def test_keeps_only_so_many_answers_to_one_question(self) -> None:
        kept = Recording()
        for amount in range(1000):
            kept.add(self.person, "x", self.portal, ((Field(2, "amount"), (int, amount)),), allowed=True)
        assert len(kept.leaves) == replay.BRANCH_LIMIT

    def test_does_not_believe_another_question_after_the_same_answers(self) -> None:
        kept = Recording()
        kept.add(self.person, "x", self.portal, self.path, allowed=False)
        assert kept.add(self.person, "x", self.portal, ((Field(0, "memberships"), tuple),), allowed=True) is None
        assert kept.add(self.person, "x", self.portal, self.path, allowed=True) is None
        known = kept.replay(self.person, "x", self.portal, self.context, 0)
        assert known is not None
        assert not known.allowed

    def test_tells_how_a_decision_came_about(self) -> None:
        kept = Recording()
        leaf = kept.add(self.person, "x", self.portal, self.path, allowed=True)
        assert leaf is not None
        assert leaf.number == 0
        assert kept.leaves[0].path == self.path
