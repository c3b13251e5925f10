"""An allow names the rules that it went through, by file and line, and the facts that carried it."""

from itertools import product
from pathlib import Path

import pytest

from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.engine.proof import Proof
from app.config import ROOT
from app.kernel import clock
from app.vocabulary import PERMISSIONS
from tests.authz.engine.random_facts import MANAGES

ENGINE = Engine.load(ROOT / "policies")
HERE, THERE = (facts.Organisation(name, "active", "UTC") for name in ("here", "there"))
TRAINING, SUBMIT = (facts.Service(name, "live") for name in ("training", "submit"))
ANYWHERE = facts.Context()


def role(slug: str, service: facts.Service | None, at: facts.Organisation) -> facts.Role:
    return facts.Role(slug, service, at, officers_may_give=True)


def person(name: str, *places: tuple[facts.Organisation, tuple[facts.Role, ...]]) -> facts.Person:
    found = facts.Person(name, "active")
    facts.with_memberships(
        found,
        lambda _: tuple(
            facts.Membership(
                f"{name}@{at.public_id}", found, at, "active", tuple(facts.Grant(one, None, None) for one in roles)
            )
            for at, roles in places
        ),
    )
    return found


OFFICER = person("officer", (THERE, ()), (HERE, (role("training:user", TRAINING, HERE), role(MANAGES, None, HERE))))
TEACHER = person("teacher", (HERE, (role("submit:teacher", SUBMIT, HERE),)))


def proof(engine: Engine, actor: facts.Fact, action: str, thing: facts.Fact) -> Proof | None:
    return engine.prove(actor, action, thing, ANYWHERE, clock.timestamp())


def lines(found: Proof | None) -> list[str]:
    """Return the rules of a proof as the lines of the shipped policy on which they begin."""
    assert found
    return [(ROOT / "policies" / rule.file).read_text().splitlines()[rule.line - 1] for rule in found.rules]


def test_rules_are_named_by_the_lines_on_which_they_begin() -> None:
    assert lines(proof(ENGINE, OFFICER, "launch", TRAINING)) == [
        "allow(person: Person, action, resource, context: Context) if",
        "permits(actor, action, resource, context: Context) if",
        'has_permission(person: Person, "launch", service: Service, context: Context) if',
        "membership_in_force(membership: Membership) if",
        "acting_at(context: Context, _organisation: Organisation) if",
    ]


def test_a_short_rule_of_a_block_is_named_too() -> None:
    assert lines(proof(ENGINE, OFFICER, "read", TEACHER.memberships[0])) == [
        "allow(person: Person, action, resource, context: Context) if",
        "permits(actor, action, resource, _context: Context) if",
        '  "read" if "exams_officer" on "organisation";',
        'has_relation(organisation: Organisation, "organisation", membership: Membership) if',
        'has_role(person: Person, "exams_officer", organisation: Organisation) if',
        "membership_in_force(membership: Membership) if",
    ]


def test_a_rule_without_a_condition_is_named() -> None:
    assert 'has_role(_guest: Guest, "guest", _portal: Portal);' in lines(
        proof(ENGINE, facts.Guest(), "create_account", facts.Portal())
    )


def test_only_the_facts_that_carried_it_are_named() -> None:
    found = proof(ENGINE, OFFICER, "read", TEACHER.memberships[0])
    assert found
    read = {reading.path: reading.value for reading in found.readings}
    assert read["actor.memberships[1].grants[1].role.slug"] == MANAGES
    assert read["actor.memberships[1].grants[1].in_force"] is True
    # What was looked at in vain: the other place, and the other role.
    assert not [path for path in read if "memberships[0]" in path or "grants[0]" in path]


def test_a_reading_says_whose_it_is() -> None:
    found = proof(ENGINE, OFFICER, "launch", TRAINING)
    assert found
    (reading,) = (one for one in found.readings if one.field == "in_force")
    assert reading.chain == (OFFICER, OFFICER.memberships[1], OFFICER.memberships[1].grants[0])


def test_a_no_has_no_proof() -> None:
    assert proof(ENGINE, TEACHER, "launch", TRAINING) is None


def test_a_proof_is_there_exactly_for_what_is_allowed() -> None:
    actors = [OFFICER, TEACHER, person("nobody"), facts.Guest()]
    things = [*TEACHER.memberships, *OFFICER.memberships, HERE, TRAINING, SUBMIT, TEACHER, facts.Portal()]
    allows = 0
    for actor, thing in product(actors, things):
        for action in PERMISSIONS[type(thing).__name__]:
            allowed = ENGINE.allows(actor, action, thing, ANYWHERE)
            assert (proof(ENGINE, actor, action, thing) is not None) == allowed
            allows += allowed
    assert allows > 20


ALLOW = "type allow(_actor, _action, _resource, _context);\n"
RULES = f"""{ALLOW}allow(_actor, "a", _resource, _context); # one
allow(person: Person, "b", _resource, _context) if
  # "rule 0" = "rule 0" and
  person.state = "closed" or not person.state = "active" or
  person.state = "active"; # or
allow(person: Person, "c", _resource, _context) if "rule 0" = "rule 0" and person.state = "active";
allow(person: Person, "c", _resource, _context) if
  deep(person) # no semicolon;
  ;

deep(person: Person) if not shallow(person);
shallow(person: Person) if person.state = "closed";
"""


@pytest.mark.parametrize(("action", "expected"), [("a", [2]), ("b", [3]), ("c", [7])])
def test_rules_are_told_apart_whatever_they_are_written_like(tmp_path: Path, action: str, expected: list[int]) -> None:
    (tmp_path / "odd.polar").write_text(RULES)
    found = proof(Engine.load(tmp_path), TEACHER, action, TRAINING)
    assert found
    assert [(rule.file, rule.line) for rule in found.rules] == [("odd.polar", line) for line in expected]


def test_an_or_stays_within_its_rule(tmp_path: Path) -> None:
    (tmp_path / "odd.polar").write_text(
        f'{ALLOW}allow(p: Person, _, _, _) if p.state = "closed" or p.state = "active";'
    )
    engine = Engine.load(tmp_path)
    assert proof(engine, TEACHER, "x", TRAINING)
    assert proof(engine, facts.Person("", "suspended"), "x", TRAINING) is None


def test_what_goes_wrong_is_said_without_the_facts(tmp_path: Path) -> None:
    (tmp_path / "odd.polar").write_text(f"{ALLOW}allow(person: Person, _, _, _) if person.name = 1;")
    with pytest.raises(PolicyError, match=r"A rule reads Person\.name, which no policy may read\."):
        proof(Engine.load(tmp_path), TEACHER, "x", TRAINING)


def test_an_empty_policy_proves_nothing(tmp_path: Path) -> None:
    assert proof(Engine.load(tmp_path), TEACHER, "x", TRAINING) is None


def test_nothing_is_printed_while_proving(capfd: pytest.CaptureFixture[str]) -> None:
    proof(Engine.load(ROOT / "policies"), OFFICER, "launch", TRAINING)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("not record.id = person.public_id", {"actor.public_id", "resource.id"}),
        (
            'forall(m in person.memberships, m.state = "active")',
            {"actor.memberships", "actor.memberships[0].state", "actor.memberships[1].state"},
        ),
        ("not is_own(person, record)", {"actor.public_id", "resource.id"}),
        ("record.properties.open = true", {"resource.properties", "resource.properties.open"}),
    ],
)
def test_a_yes_says_what_stood_under_not_and_forall(tmp_path: Path, condition: str, expected: set[str]) -> None:
    (tmp_path / "main.polar").write_text(
        f"""type allow(_a, _b, _c, _d);
        allow(person: Person, "x", record, _c) if used(person, record) and person.state = "active" and {condition};
        used(_, _);
        is_own(person, record) if is_of(person.public_id, record);
        is_of(name, record) if record.id = name;"""
    )
    record = facts.declared_kind("Record")("r", facts.Properties({"open": True}))
    found = Engine.load(tmp_path).prove(OFFICER, "x", record, ANYWHERE, clock.timestamp())
    assert found
    assert {reading.path for reading in found.readings} == {"actor.state"} | expected
