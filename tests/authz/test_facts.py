"""Facts are frozen, and policies read of them just what their annotations declare."""

from dataclasses import FrozenInstanceError, fields

import pytest

from app.authz import facts

HERE = facts.Organisation("o", "active", "UTC")
SERVICE = facts.Service("s", "live")
ROLE = facts.Role("s:r", SERVICE, HERE, officers_may_give=True)
GRANT = facts.Grant(ROLE, None, None)
PERSON = facts.with_memberships(
    facts.Person("p", "active", ("support",)), lambda owner: [facts.Membership("m", owner, HERE, "active", (GRANT,))]
)
FACTS = [
    HERE,
    SERVICE,
    ROLE,
    GRANT,
    PERSON,
    PERSON.memberships[0],
    facts.Client("c", "active", SERVICE, ("service",)),
    facts.Evaluation("service", SERVICE),
    facts.Context(HERE),
    facts.declared_kind("MarkScheme")("1"),
]

READABLE = {
    "Client": {"kinds": "[String]", "knows_everybody": "Boolean", "service": "Service?", "state": "String"},
    "Context": {"action": "Properties", "organisation": "Organisation?", "request": "Properties"},
    "Evaluation": {"kind": "String", "service": "Service?"},
    "Grant": {"in_force": "Boolean", "role": "Role"},
    "Guest": {},
    "Membership": {"grants": "[Grant]", "organisation": "Organisation", "person": "Person", "state": "String"},
    "Operator": {},
    "Organisation": {"public_id": "String", "state": "String"},
    "Person": {
        "memberships": "[Membership]",
        "properties": "Properties",
        "public_id": "String",
        "staff_roles": "[String]",
        "state": "String",
    },
    "Platform": {},
    "Portal": {},
    "Properties": {},
    "Role": {
        "officers_may_give": "Boolean",
        "organisation": "Organisation?",
        "service": "Service?",
        "slug": "String",
    },
    "Service": {"slug": "String", "state": "String"},
    "Subject": {"id": "String", "properties": "Properties"},
}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_no_field_of_a_fact_can_be_assigned(fact: facts.Fact) -> None:
    for field in fields(fact):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(fact, field.name, getattr(fact, field.name))


def test_properties_are_frozen_too() -> None:
    with pytest.raises(FrozenInstanceError):
        facts.NO_PROPERTIES._values = {"a": 1}


def test_policies_read_just_these_fields() -> None:
    assert {name: dict(kind.FIELDS) for name, kind in facts.KINDS.items()} == READABLE


def test_a_changed_person_is_the_person_of_their_memberships() -> None:
    changed = facts.changed_person(PERSON, state="suspended")
    assert changed == PERSON
    assert (changed.state, changed.staff_roles) == ("suspended", ("support",))
    assert [membership.person is changed for membership in changed.memberships] == [True]
    assert (PERSON.state, PERSON.memberships[0].person is PERSON) == ("active", True)
