from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.authz import facts
from app.authz.engine import Engine, PolicyError
from app.authz.recording import Field, Recording
from app.config import ROOT
from app.kernel import clock
from app.vocabulary import PERMISSIONS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENGINE = Engine.load(ROOT / "policies")
STATES = st.sampled_from(["active", "suspended", "closed", "invited", "ended"])
PUBLIC_IDS = st.sampled_from(["a", "b", "c"])
MOMENTS = st.none() | st.none() | st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)])

organisations = st.builds(facts.Organisation, PUBLIC_IDS, STATES, st.just("UTC"))
services = st.builds(facts.Service, PUBLIC_IDS, st.sampled_from(["live", "hidden", "retired"]))


SLUGS = st.sampled_from(["portal:user-management", "portal:user-management", "a:teacher", "b:officer"])


@st.composite
def roles(draw: st.DrawFn, at: facts.Organisation | None = None) -> facts.Role:
    slug = draw(SLUGS)
    service = None if slug.startswith("portal") else draw(services)
    return facts.Role(slug, service, at or draw(st.none() | organisations), officers_may_give=draw(st.booleans()))


@st.composite
def directories(draw: st.DrawFn) -> list[facts.Person]:
    """A few people at a few organisations, mostly in good standing, so that much is allowed and little is missing."""
    mostly = st.sampled_from(["active"] * 16 + ["suspended", "closed", "invited", "ended"])
    places = [facts.Organisation(name, draw(mostly), "UTC") for name in "ab"]
    people = []
    for name in "abc":
        person = facts.Person(
            name, draw(mostly), tuple(draw(st.lists(st.sampled_from(["support", "auditor"]), max_size=2)))
        )
        memberships = []
        for at in draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)):
            grants = tuple(
                facts.Grant(draw(roles(at)), draw(MOMENTS), draw(MOMENTS)) for _ in range(draw(st.integers(0, 2)))
            )
            memberships.append(facts.Membership(f"{name}@{at.public_id}", person, at, draw(mostly), grants))
        person.memberships = tuple(memberships)
        people.append(person)
    return people


clients = st.builds(
    facts.Client, PUBLIC_IDS, STATES, st.none() | services, st.lists(st.sampled_from(["service", "role"])).map(tuple)
)
evaluations = st.builds(facts.Evaluation, st.sampled_from(["service", "role", "other"]), st.none() | services)
contexts = st.builds(facts.Context, st.none() | organisations)


def things_of(people: list[facts.Person]) -> list[facts.Fact]:
    memberships = [membership for person in people for membership in person.memberships]
    grants = [grant for membership in memberships for grant in membership.grants]
    return [
        *people,
        *memberships,
        *{membership.organisation for membership in memberships},
        *{grant.role for grant in grants},
        *{grant.role.service for grant in grants if grant.role.service},
        facts.Portal(),
        facts.Platform(),
    ]


@given(directories(), clients, evaluations, roles(), contexts)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_replayed_decision_is_the_one_that_polar_makes(
    people: list[facts.Person],
    client: facts.Client,
    evaluation: facts.Evaluation,
    role: facts.Role,
    context: facts.Context,
) -> None:
    with clock.pinned(NOW):
        for actor in (people[0], people[1], client, facts.Guest()):
            for resource in (*things_of(people), evaluation, role):
                for action in PERMISSIONS[type(resource).__name__]:
                    polar, _conversation = ENGINE.ask_polar(actor, str(action), resource, context)
                    assert ENGINE.allows(actor, action, resource, context) == polar


NASTY = """
type allow(_actor, _action, _resource, _context);
allow(person: Person, "negation", _r, _c) if
  not person.state = "active";
allow(person: Person, "for_all", _r, _c) if
  forall(m in person.memberships, m.state = "active");
allow(person: Person, "nested", _r, _c) if
  m in person.memberships and g in m.grants and
  n in person.memberships and m != n and h in n.grants and g.role = h.role;
allow(person: Person, "or", _r, _c) if
  person.state = "closed" or ("support" in person.staff_roles and not person.state = "invited");
allow(person: Person, "cut", _r, _c) if
  person.state = "active" and cut and "support" in person.staff_roles;
allow(person: Person, "cut", _r, _c) if
  person.state = "active";
allow(person: Person, "nil", role: Role, _c) if
  role.organisation = nil and person.state = "active";
allow(person: Person, "not_in", _r, _c) if
  not "support" in person.staff_roles and not (m in person.memberships and m.state = "ended");
allow(person: Person, "twice", _r, _c) if
  m in person.memberships and m in person.memberships and m.organisation.state = "active";
allow(person: Person, "kind", resource, _c) if
  resource matches Person and person = resource;
allow(person: Person, "differs", resource, _c) if
  resource matches Person and person != resource;
allow(person: Person, "compare", _r, _c) if
  person.state > "b";
allow(person: Person, "context", _r, context: Context) if
  m in person.memberships and context.organisation = m.organisation;
"""
NASTY_ACTIONS = [
    "negation",
    "for_all",
    "nested",
    "or",
    "cut",
    "nil",
    "not_in",
    "twice",
    "kind",
    "compare",
    "context",
    "differs",
]


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder: Path = tmp_path_factory.mktemp("nasty")
    (folder / "main.polar").write_text(NASTY)
    return Engine.load(folder)


@given(people=directories(), other=roles(), context=contexts)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_replay_of_nasty_rules_is_what_polar_says(
    nasty: Engine, people: list[facts.Person], other: facts.Role, context: facts.Context
) -> None:
    def outcome(answer: object) -> object:
        try:
            return answer()  # type: ignore[operator]
        except PolicyError as error:
            return error.sentence

    with clock.pinned(NOW):
        for action in NASTY_ACTIONS:
            for question in (
                (people[0], action, people[1]),
                (people[1], action, people[1]),
                (people[2], action, other),
            ):
                polar = outcome(lambda question=question: nasty.ask_polar(*question, context)[0])
                assert outcome(lambda question=question: nasty.allows(*question, context)) == polar


def test_a_decision_that_was_made_before_is_not_put_to_polar_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.load(ROOT / "policies")
    person = facts.Person("a", "active")
    assert engine.allows(person, "see_home", facts.Portal(), facts.Context())
    monkeypatch.setattr(engine, "ask_polar", lambda *_: pytest.fail("asked again"))
    assert engine.allows(facts.Person("b", "active"), "see_home", facts.Portal(), facts.Context())


def test_time_goes_on_in_a_replayed_decision() -> None:
    organisation = facts.Organisation("a", "active", "UTC")
    service = facts.Service("s", "live")
    person = facts.Person("a", "active")
    grant = facts.Grant(facts.Role("s:r", service, organisation, officers_may_give=True), None, NOW)
    person.memberships = (facts.Membership("m", person, organisation, "active", (grant,)),)

    def opens(moment: datetime) -> bool:
        with clock.pinned(moment):
            return ENGINE.allows(person, "launch", service, facts.Context())

    before, after = NOW - timedelta(microseconds=1), NOW
    assert [opens(before), opens(after), opens(before), opens(after)] == [True, False, True, False]


def test_an_error_is_never_recorded(tmp_path: Path) -> None:
    (tmp_path / "main.polar").write_text(
        'type allow(_a, _b, _c, _d);\nallow(p: Person, "x", _r, _c) if p.state = "active" and p.nothing = 1;'
    )
    engine = Engine.load(tmp_path)
    for _ in range(3):
        with pytest.raises(PolicyError):
            engine.allows(facts.Person("a", "active"), "x", facts.Portal(), facts.Context())
    assert not engine.allows(facts.Person("a", "closed"), "x", facts.Portal(), facts.Context())
    with pytest.raises(PolicyError):
        engine.allows(facts.Person("a", "active"), "x", facts.Portal(), facts.Context())


def test_a_full_recording_takes_no_more_and_still_answers_what_it_knows() -> None:
    recording = Recording(most_nodes=1)
    person, portal, context = facts.Person("a", "active"), facts.Portal(), facts.Context()
    recording.add(person, "x", portal, context, [(Field(0, "state"), "active")], allowed=True)
    recording.add(person, "y", portal, context, [(Field(0, "state"), "active")], allowed=True)
    assert recording.replay(person, "x", portal, context) is True
    assert recording.replay(person, "y", portal, context) is None


def test_another_question_after_the_same_answers_is_not_believed() -> None:
    recording = Recording()
    person, portal, context = facts.Person("a", "active"), facts.Portal(), facts.Context()
    recording.add(person, "x", portal, context, [(Field(0, "state"), "active")], allowed=False)
    recording.add(person, "x", portal, context, [(Field(0, "memberships"), tuple)], allowed=True)
    assert recording.replay(person, "x", portal, context) is False
