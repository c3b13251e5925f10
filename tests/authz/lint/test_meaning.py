"""Rules that can be loaded and evaluated, and are still hardly what their author means, are found at their places."""

from pathlib import Path

import pytest

from app.authz.lint.findings import RuleId
from tests.authz.lint.test_linter import add, change, check, is_found, places

HEAD = 'has_permission(person: Person, "delete", record: Record) if used(person, record) and '
GRANT = 'm in person.memberships and m.state = "active" and g in m.grants and g.in_force = true and'
USED = "\nused(_person: Person, _record: Record);"


def found(folder: Path, pack: Path, text: str) -> set[RuleId]:
    """Return the rules that the pack breaks with `text` added to it."""
    line = add(pack, text, "record.polar")
    return {rule for rule, file, found in places(folder, pack) if (file, found >= line) == ("record.polar", True)}


@pytest.mark.parametrize(
    "condition",
    [
        'm in person.memberships and m.state != "suspend"',
        'm in person.memberships and not m.state = "Suspended"',
        'm in person.memberships and not m.state in ["ended", "suspendd"]',
        'm in person.memberships and state = m.state and state != "suspend"',
        'm in person.memberships and not m matches Membership{state: "suspend"}',
        "m in person.memberships and is_fine(m.state)",
        "m in person.memberships and is_good(m)",
        'person.state = "actve"',
        'm in person.memberships and m.state = "active" and m.organisation.state != "close"',
        '"suport" in person.staff_roles',
        'role in person.staff_roles and role != "suport"',
        f'{GRANT} not g.role.slug = "portal:usermanagement"',
        f'{GRANT} g.role.slug = "teacher"',
    ],
)
def test_a_value_that_a_field_never_has_is_found(folder: Path, pack: Path, condition: str) -> None:
    helpers = {
        "is_fine": 'is_fine(state) if state != "suspend";',
        "is_good": 'is_good(m: Membership) if m.state != "x";',
    }
    used = "".join(f"\n{helper}" for name, helper in helpers.items() if name in condition)
    assert found(folder, pack, HEAD + condition + ";" + USED + used) == {RuleId.UNKNOWN_VALUE}


@pytest.mark.parametrize(
    ("condition", "broken"),
    [
        ("1 = 1", RuleId.CONSTANT_CONDITION),
        ('"a" in ["a", "b"]', RuleId.CONSTANT_CONDITION),
        ("person = person", RuleId.CONSTANT_CONDITION),
        ("not record.id != record.id", RuleId.CONSTANT_CONDITION),
        ("1 matches Integer", RuleId.CONSTANT_CONDITION),
        ('record.properties.x = "a" and record.properties.x = "b"', RuleId.CONSTANT_CONDITION),
        ('(record.id = "a" and person.state = "active") and not record.id = "a"', RuleId.CONSTANT_CONDITION),
        ('(record.id = "a" or record.id != "a")', RuleId.CONSTANT_CONDITION),
        ("x := record.id and x := person.public_id", RuleId.REASSIGNED_VARIABLE),
        ("record := person.public_id", RuleId.REASSIGNED_VARIABLE),
        ("forall(m in person.memberships, counts(m))", RuleId.VACUOUS_FORALL),
        ('forall(tag in record.properties.tags, tag = "open")', RuleId.VACUOUS_FORALL),
        ("m in person.memberships and m.organisation.public_id = record.id", RuleId.UNCHECKED_STATE),
        ('m in person.memberships and counts(m) and g in m.grants and g.role.slug = "a:b"', RuleId.UNCHECKED_STATE),
        ("10 / record.properties.x > 1", RuleId.INVALID_OPERANDS),
        ("record.properties.x matches Integer and 10 mod record.properties.x > 1", RuleId.INVALID_OPERANDS),
        ("1 / 0 > 1", RuleId.INVALID_OPERANDS),
        ("m in person.memberships and counts(m) and m.organisation = record.properties.o", RuleId.NEVER_EQUAL),
        (
            "m in person.memberships and counts(m) and o = record.properties.o and m.organisation = o",
            RuleId.NEVER_EQUAL,
        ),
        ("m in person.memberships and counts(m) and m.organisation in record.properties.o", RuleId.NEVER_EQUAL),
        ("record.properties.x > 3 and record.properties.x matches Integer", RuleId.UNGUARDED_INPUT),
    ],
)
def test_a_condition_that_says_less_than_it_seems_is_found(
    folder: Path,
    pack: Path,
    condition: str,
    broken: RuleId,
) -> None:
    helper = '\ncounts(m: Membership) if m.state = "active";' if "counts" in condition else ""
    assert broken in found(folder, pack, HEAD + condition + ";" + USED + helper)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('\n  "reader" if "editor";\n  "editor" if "reader";', '"reader" if "editor"'),
        ('\n  "reader" if "read";\n  "editor" if "reader";\n  "read" if "editor";', '"reader" if "read"'),
    ],
)
def test_a_circle_of_roles_and_permissions_is_found(folder: Path, pack: Path, text: str, at: str) -> None:
    change(pack, "record.polar", 'roles = ["reader"];', f'roles = ["editor", "reader"];{text}')
    line = (pack / "record.polar").read_text().partition(at)[0].count("\n") + 1
    assert is_found([folder, pack], RuleId.INFINITE_RECURSION, "record.polar", line, at)


@pytest.mark.parametrize(
    ("text", "is_endless"),
    [
        ('has_role(p: Person, "reader", r: Record) if p.state = "active" and has_permission(p, "read", r);', True),
        ("{head}one(person, record); one(a, b) if two(b, a); two(b, a) if a.state = b.id and one(a, b);", True),
        ("{head}one(person, record); one(a, b) if two(b, a); two(a, b) if a.id = b.state and one(b, b);", False),
        ('has_role(p: Person, "reader", r: Record) if p.state = "active" and has_role(p, "member", r);', False),
    ],
)
def test_rules_that_lead_back_to_themselves_are_found(
    folder: Path,
    pack: Path,
    text: str,
    is_endless: bool,
) -> None:
    broken = found(folder, pack, text.replace("{head}", HEAD) + (USED if "{head}" in text else ""))
    assert (RuleId.INFINITE_RECURSION in broken) == is_endless


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ('has_permission(_: Person, "delete", _: Record);', RuleId.UNCONDITIONAL_GRANT),
        ("has_permission(_: Person, _action: String, _: Record);", RuleId.UNCONDITIONAL_GRANT),
        ("is_no_admin(anybody: Person) if\n  anybody.properties.role = nil;", RuleId.DUPLICATE_RULE),
    ],
)
def test_a_rule_that_is_hardly_meant_is_found(folder: Path, pack: Path, text: str, broken: RuleId) -> None:
    assert broken in found(folder, pack, text)


def test_a_relation_whose_target_nobody_names_is_found(folder: Path, pack: Path) -> None:
    change(
        pack,
        "record.polar",
        'roles = ["reader"];',
        'roles = ["reader"];\n  relations = { team: Organisation };\n  "delete" if "member" on "team";',
    )
    text = 'has_relation(team: Organisation, "team", record: Record) if\n  record.properties.team = team.public_id;'
    assert RuleId.UNBOUND_VARIABLE in found(folder, pack, text)


@pytest.mark.parametrize(
    "text",
    [
        'has_role(person: Person, "exams_officer", _: Organisation) if person.properties.admin = true;',
        'has_role(p: Person, "exams_officer", _: Organisation) if its = p.properties and its.admin = true;',
        'has_permission(_: Person, "add_person", _: Organisation, c: Context) if c.request.admin = true;',
    ],
)
def test_a_base_policy_that_believes_a_caller_is_found(folder: Path, text: str) -> None:
    line = add(folder, text, "organisation.polar")
    assert (RuleId.TRUSTS_CALLER, "organisation.polar", line) in places(folder)


@pytest.mark.parametrize("rule", [rule for rule in RuleId if rule != RuleId.UNCONDITIONAL_GRANT])
def test_only_what_may_be_meant_can_be_taken_back(folder: Path, pack: Path, rule: RuleId) -> None:
    comment = f"# intended: {rule}: for a trial"
    assert found(folder, pack, f'{comment}\nhas_permission(_: Person, "delete", _: Record);') == {
        RuleId.UNCONDITIONAL_GRANT,
        RuleId.UNUSED_INTENTION,
    }


@pytest.mark.parametrize("comment", ["# intended: unconditional-grant", "# intended: unconditional-grant:  "])
def test_what_is_meant_says_why(folder: Path, pack: Path, comment: str) -> None:
    assert RuleId.UNUSED_INTENTION in found(folder, pack, f'{comment}\nhas_permission(_: Person, "delete", _: Record);')


def test_what_editors_leave_is_no_rule(folder: Path) -> None:
    (folder / ".#service.polar").symlink_to("somebody@a-machine.4711")
    for name in ("#service.polar#", ".service.polar.swp", "service.polar~", ".hidden.polar"):
        (folder / name).write_text("allow(_, _, _, _) if £;")
    assert check(folder) == []
