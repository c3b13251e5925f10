"""The linter finds every mistake that oso would silently accept, at its place, and all of them at once."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.authz.engine.errors import PolicyError
from app.authz.engine.source import PolicySource
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.linter import lint
from app.authz.lint.type_checker import check_rule
from app.authz.polar.parser import parse
from app.config import ROOT

SHIPPED = ROOT / "policies"


def add(folder: Path, text: str, file: str = "service.polar") -> int:
    """Append `text` to a file, and return the line on which it starts."""
    path = folder / file
    before = path.read_text() if path.exists() else ""
    path.write_text(before + text + "\n")
    return before.count("\n") + 1


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Replace the one place in a file that reads `old`."""
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))


def check(*folders: Path) -> list[Finding]:
    findings, _engine = lint(PolicySource.read(*folders))
    return findings


def places(*folders: Path) -> list[tuple[RuleId, str, int]]:
    return [(finding.rule, finding.file, finding.line) for finding in check(*folders)]


def is_found(folders: Sequence[Path], rule: RuleId, file: str, line: int, at: str) -> bool:
    """Return whether `rule` is broken on this line, at the column where `at` begins."""
    [path] = [folder / file for folder in folders if (folder / file).exists()]
    text = path.read_text().splitlines()[line - 1]
    return any(
        (finding.rule, finding.file, finding.line) == (rule, file, line) and text[finding.column - 1 :].startswith(at)
        for finding in check(*folders)
    )


def rule(condition: str) -> str:
    """Return a rule with `condition`, that uses all it is given and is well formed otherwise."""
    return f"""has_permission(person: Person, "read", service: Service) if {condition} and used(person, service);
        used(_person: Person, _service: Service);
        state_of(person: Person, state) if state = person.state;"""


def test_the_shipped_policy_has_no_findings() -> None:
    assert check(SHIPPED) == []


@pytest.mark.parametrize(
    "condition",
    [
        'person.state = "active"',
        'not person.state in ["closed", "suspended"]',
        'm in person.memberships and m.state = "active" and m.organisation.state = service.state',
        'm in person.memberships and m.state = "active" and forall(n in person.memberships, n.state != "ended")',
        "home = m.organisation and m in person.memberships and m.state != home.state and home.state != nil",
        'person matches Person{state: "active"}',
        'state_of(person, state) and state = "active"',
        '("support" in person.staff_roles or "auditor" in person.staff_roles)',
        "g in m.grants and g.in_force = true and m in person.memberships and counts(m) and g.role.service = service",
        '(thing = service or thing = person) and thing.slug = "scripts"',
        'm in person.memberships and counts(m) and g in m.grants and g.in_force = true and g.role.slug = "x:y"',
        '(person.state = "active" or (person.state != "active" and service.state = "live"))',
    ],
)
def test_a_sound_rule_has_no_findings(folder: Path, condition: str) -> None:
    if "state_of" not in condition:
        condition += " and state_of(person, _)"
    helper = '\ncounts(m: Membership) if m.state = "active";' if "counts" in condition else ""
    add(folder, rule(condition) + helper)
    assert check(folder) == []


@pytest.mark.parametrize(
    ("condition", "broken", "at"),
    [
        # A path that leads nowhere, under `not` as well as anywhere else.
        ("not person.suspendd = true", RuleId.UNKNOWN_FIELD, "suspendd"),
        ("forall(m in person.memberships, m.stat = 1)", RuleId.UNKNOWN_FIELD, "stat"),
        ("m in person.memberships and m.organisation.stat = 1", RuleId.UNKNOWN_FIELD, "stat"),
        (
            "home = m.organisation and m in person.memberships and home.stat = 1",
            RuleId.UNKNOWN_FIELD,
            "stat",
        ),
        ("state_of(person, thing) and thing.stat = 1", RuleId.UNKNOWN_FIELD, "stat"),
        ("state_of(person, thing) and not thing matches Role{stat: 1}", RuleId.UNKNOWN_FIELD, "stat"),
        ("person.memberships.state = 1", RuleId.UNKNOWN_FIELD, "state"),
        ("not person.state.length = 1", RuleId.UNKNOWN_FIELD, "length"),
        ("state_of(person, thing) and thing.role.stat = 1", RuleId.UNKNOWN_FIELD, "stat"),
        ("state_of(person, thing) and thing matches Role and thing.stat = 1", RuleId.UNKNOWN_FIELD, "stat"),
        ("m in person.memberships and m = service and m.stat = 1", RuleId.UNKNOWN_FIELD, "stat"),
        (
            "role matches Role and role = person and one = role.service and one = service and one.stat = 1",
            RuleId.UNKNOWN_FIELD,
            "stat",
        ),
        # What would run code.
        ("not person.__class__ = 1", RuleId.FORBIDDEN_EXPRESSION, "__class__"),
        ("person.nope()", RuleId.FORBIDDEN_EXPRESSION, "nope()"),
        ('person.state.format("x") = "x"', RuleId.FORBIDDEN_EXPRESSION, "format("),
        ("person.(service.slug) = 1", RuleId.FORBIDDEN_EXPRESSION, "(service.slug)"),
        ('person.("stat") = 1', RuleId.UNKNOWN_FIELD, '("stat")'),
        ('person.("__class__") = 1', RuleId.FORBIDDEN_EXPRESSION, '("__class__")'),
        ("not Person.mro = 1", RuleId.TYPE_AS_VALUE, "Person.mro"),
        ('person = new Person("a", "b")', RuleId.FORBIDDEN_EXPRESSION, "new Person("),
        ("print(person)", RuleId.DEBUGGING_CALL, "print("),
        ("debug()", RuleId.DEBUGGING_CALL, "debug()"),
        ("not {a: 1} = 2", RuleId.FORBIDDEN_EXPRESSION, "{a: 1}"),
        # What is never true, and so always true under `not`.
        ("not person.state = true", RuleId.NEVER_EQUAL, "= true"),
        ("person != service", RuleId.NEVER_EQUAL, "!= service"),
        ("not person.memberships = []", RuleId.NEVER_EQUAL, "= []"),
        ('not person.state in "inactive"', RuleId.INVALID_OPERANDS, 'in "inactive"'),
        ("not service in person.memberships", RuleId.NEVER_EQUAL, "in person.memberships"),
        ("person < person", RuleId.INVALID_OPERANDS, "< person"),
        ("not grnt.in_force = false", RuleId.UNBOUND_VARIABLE, "grnt"),
        ("not (m in person.memberships and m.state = nil) and m.state != nil", RuleId.UNBOUND_VARIABLE, "m.state !="),
        # Names that nobody knows.
        ("not person matches Persn", RuleId.UNKNOWN_TYPE, "Persn"),
        ("nobody(person)", RuleId.UNDEFINED_RULE, "nobody("),
        ("acting_at(person)", RuleId.WRONG_ARITY, "acting_at("),
        ('has_role(person, "visitr", service)', RuleId.UNDECLARED_NAME, '"visitr"'),
        ('m in person.memberships and has_role(person, "owner", m)', RuleId.UNDECLARED_NAME, '"owner"'),
    ],
)
def test_a_mistake_within_a_rule_is_found_at_its_place(folder: Path, condition: str, broken: RuleId, at: str) -> None:
    line = add(folder, rule(condition + " and state_of(person, _)"))
    assert is_found([folder], broken, "service.polar", line, at)


@pytest.mark.parametrize(
    ("text", "broken", "at"),
    [
        ('has_permision(_: Person, "read", _: Service);', RuleId.UNUSED_RULE, "has_permision("),
        ('forbid(_: Person, "read", _: Service);', RuleId.UNUSED_RULE, "forbid("),
        ("lonely(thing) if lonely(thing);", RuleId.UNUSED_RULE, "lonely(thing) if"),
        ('allow(_: Person, "read", _: Service);', RuleId.WRONG_ARITY, "allow("),
        ('has_role(_: Person, "visitor", _: Service, _: Context);', RuleId.WRONG_ARITY, "has_role("),
        ("acting_at(_: Context);", RuleId.WRONG_ARITY, "acting_at("),
        ('has_permission(_: Person, "fly", _: Service);', RuleId.UNDECLARED_NAME, '"fly"'),
        ('has_role(_: Person, "visitr", _: Service);', RuleId.UNDECLARED_NAME, '"visitr"'),
        ('has_relation(_: Person, "owner", _: Service);', RuleId.UNDECLARED_NAME, '"owner"'),
        ('has_permission(_: Person, "read", _: Servce);', RuleId.UNKNOWN_TYPE, "Servce"),
        ("type launching(_person: Persn);", RuleId.UNKNOWN_TYPE, "Persn"),
        ("?= 1 = 1;", RuleId.INLINE_QUERY, "?="),
        ("?= 1 = 2;", RuleId.INLINE_QUERY, "?="),
    ],
)
def test_a_mistake_in_a_head_is_found_at_its_place(folder: Path, text: str, broken: RuleId, at: str) -> None:
    line = add(folder, text)
    assert is_found([folder], broken, "service.polar", line, at)


def test_every_finding_is_reported_in_the_order_of_places(folder: Path) -> None:
    first = add(folder, 'has_permission(person: Person, "fly", _: Service) if person.stat = 1 and nobody(person);')
    second = add(folder, 'forbid(_: Persn, "read");', "person.polar")
    assert [(finding.rule, finding.file, finding.line, finding.column) for finding in check(folder)] == [
        (RuleId.UNUSED_RULE, "person.polar", second, 1),
        (RuleId.UNKNOWN_TYPE, "person.polar", second, 11),
        (RuleId.UNDECLARED_NAME, "service.polar", first, 32),
        (RuleId.UNKNOWN_FIELD, "service.polar", first, 61),
        (RuleId.UNDEFINED_RULE, "service.polar", first, 74),
    ]


def test_every_inline_query_is_found(folder: Path) -> None:
    line = add(folder, "?= 1 = 2;\n?= 1 = 1;")
    assert [finding.line for finding in check(folder)] == [line, line + 1]


# Blocks


def test_the_same_block_in_two_files_is_found(folder: Path) -> None:
    line = add(folder, "resource Person {}")
    assert (RuleId.DUPLICATE_BLOCK, "service.polar", line) in places(folder)


def test_two_blocks_in_one_file_are_found(folder: Path) -> None:
    add(folder, "resource Grant {}")
    assert (RuleId.ONE_BLOCK_PER_FILE, "service.polar", 0) in places(folder)


def test_a_file_without_a_block_is_found(folder: Path) -> None:
    add(folder, "# nothing yet", "grant.polar")
    assert places(folder) == [(RuleId.ONE_BLOCK_PER_FILE, "grant.polar", 0)]


def test_a_block_in_a_file_of_another_name_is_found(folder: Path) -> None:
    (folder / "person.polar").rename(folder / "people.polar")
    line = (folder / "people.polar").read_text().partition("resource Person")[0].count("\n") + 1
    assert (RuleId.MISPLACED_BLOCK, "people.polar", line) in places(folder)


def test_a_block_of_two_words_belongs_in_a_file_of_two_words(folder: Path) -> None:
    add(folder, "resource MarkScheme {}", "markscheme.polar")
    assert places(folder) == [(RuleId.MISPLACED_BLOCK, "markscheme.polar", 1)]
    (folder / "markscheme.polar").rename(folder / "mark_scheme.polar")
    assert check(folder) == []


def test_a_resource_block_in_the_main_file_is_found(folder: Path) -> None:
    line = add(folder, "resource Grant {}", "main.polar")
    assert (RuleId.MISPLACED_BLOCK, "main.polar", line) in places(folder)


def test_an_actor_block_outside_the_main_file_is_found(folder: Path) -> None:
    line = add(folder, "actor Grant {}")
    assert (RuleId.MISPLACED_BLOCK, "service.polar", line) in places(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "broken", "at"),
    [
        ("service.polar", '"read" if "visitor"', '"raed" if "visitor"', RuleId.UNDECLARED_NAME, '"raed" if'),
        ("service.polar", '"read" if "visitor"', '"read" if "visitr"', RuleId.UNDECLARED_NAME, '"read" if "visitr"'),
        (
            "membership.polar",
            'on "organisation"',
            'on "organization"',
            RuleId.UNDECLARED_NAME,
            '"read" if "exams_officer"',
        ),
        (
            "membership.polar",
            '"exams_officer" on',
            '"officer" on',
            RuleId.UNDECLARED_NAME,
            '"read" if "officer"',
        ),
        ("service.polar", '  "read" if "visitor";\n', "", RuleId.UNGRANTED_NAME, '"read"'),
        ("portal.polar", '"guest", _portal', '"person", _portal', RuleId.UNGRANTED_NAME, '"guest"'),
        (
            "membership.polar",
            "has_relation(organisation: O",
            "helper(organisation: O",
            RuleId.UNGRANTED_NAME,
            "organisation: Organisation }",
        ),
    ],
)
def test_a_name_in_a_block_that_leads_nowhere_is_found(
    folder: Path, file: str, old: str, new: str, *, broken: RuleId, at: str
) -> None:
    change(folder, file, old, new)
    found = [finding for finding in check(folder) if finding.rule == broken]
    lines = (folder / file).read_text().splitlines()
    assert [(finding.file, lines[finding.line - 1][finding.column - 1 :][: len(at)]) for finding in found] == [
        (file, at)
    ]


def test_a_rule_with_a_variable_for_the_role_grants_every_role(folder: Path) -> None:
    change(folder, "platform.polar", '"support"]', '"support", "painter"];\n  "list_organisations" if "painter"')
    assert check(folder) == []


def test_a_role_that_another_role_implies_is_granted(folder: Path) -> None:
    change(
        folder,
        "portal.polar",
        '"person"];',
        '"person", "visitor"];\n  "visitor" if "person";\n  "sign_in" if "visitor";',
    )
    assert check(folder) == []


# Untrusted input

STATE = ("record.properties.state", "String")
HEAD = 'has_permission(person: Person, "delete", record: Record) if used(person) and used(record) and '


@pytest.mark.parametrize(
    ("condition", "term", "kind"),
    [
        ('record.properties.state != "locked"', "record.properties.state", "String"),
        ('not record.properties.state = "locked"', "record.properties.state", "String"),
        ("not (used(person) and true == record.properties.locked)", "record.properties.locked", "Boolean"),
        ("record.properties.plan.level != 3", "record.properties.plan.level", "Integer"),
        ('not record.properties.state in ["locked"]', "record.properties.state", "String"),
        ('not "locked" in [record.properties.state]', "record.properties.state", "String"),
        ('not record.properties.state matches "locked"', "record.properties.state", "String"),
        ("not record.properties.state matches String", "record.properties.state", "String"),
        ('(a = record.properties.state and b = a and b != "locked")', "b", "String"),
        ('(a in [record.properties.state] and a != "locked")', "a", "String"),
        (
            '((record.properties.state matches String and used(person)) or record.properties.state != "locked")',
            *("record.properties.state", "String"),
        ),
        ("record.properties.owner != person.public_id", "record.properties.owner", "String"),
        ("(owner = record.properties.owner and owner != person.public_id)", "owner", "String"),
        ('(state = record.properties.state and not state = "locked")', "state", "String"),
        ('(tag in record.properties.tags and not tag = "locked")', "tag", "String"),
        ('forall(record.properties.state = "locked", used(person))', "record.properties.state", "String"),
        ('(part in record.properties.parts and part.state != "locked")', "part.state", "String"),
        ('(inner = record.properties.inner and inner.state != "locked")', "inner.state", "String"),
        ("not record.properties.barred in person.staff_roles", "record.properties.barred", "String"),
        ("record.properties.pages < 5", "record.properties.pages", "Integer"),
        ("not record.properties.pages >= 5", "record.properties.pages", "Integer"),
        ('not (record.properties.state matches String and record.properties.state = "locked")', *STATE),
        ('(held(record, state) and not state = "locked")', "state", "String"),
        ('(handed(record, state) and not state = "locked")', "state", "String"),
    ],
)
def test_missing_or_mistyped_input_satisfies_no_condition(
    folder: Path, pack: Path, condition: str, term: str, kind: str
) -> None:
    helpers = [
        "held(record: Record, state) if state = record.properties.state;",
        "handed(record: Record, state) if held(record, state);",
    ]
    called = [helper for helper in helpers if helper.partition("(")[0] in condition or "(handed(" in condition]
    line = add(pack, "\n".join([f"{HEAD}{condition};", "used(_);", *called]), "record.polar")
    assert set(places(folder, pack)) == {(RuleId.UNGUARDED_INPUT, "record.polar", line)}
    # The guard that the author is to write.
    assert all(f"`{term} matches {kind} and ...`" in finding.message for finding in check(folder, pack))


def test_two_missing_inputs_satisfy_no_condition_by_being_equal(folder: Path, pack: Path) -> None:
    both = "record.properties.team = person.properties.team"
    line = add(pack, f"{HEAD}{both};\nused(_);", "record.polar")
    assert places(folder, pack) == [(RuleId.BOTH_MISSING, "record.polar", line)]
    assert is_found([folder, pack], RuleId.BOTH_MISSING, "record.polar", line, "= person.properties.team")
    path = pack / "record.polar"
    path.write_text(path.read_text().replace(both, f"person.properties.team matches String and {both}"))
    assert check(folder, pack) == []


@pytest.mark.parametrize(
    ("text", "offset", "broken", "at"),
    [
        (
            "%s not wrote(person, record); wrote(p, r) if r.properties.author = p.public_id;",
            0,
            RuleId.NEGATED_INPUT,
            "wrote(person",
        ),
        ('%s not locked(record.properties.state); locked("locked");', 0, RuleId.NEGATED_INPUT, "locked(record"),
        (
            "%s differs(record.properties.author, person.public_id);\ndiffers(a, b) if a != b;",
            1,
            RuleId.UNGUARDED_INPUT,
            "!= b",
        ),
        ("%s not one(record); one(r) if two(r); two(r) if r.properties.x = 1;", 0, RuleId.NEGATED_INPUT, "one(record"),
        (
            "%s forall(wrote(person, record), used(person)); wrote(p, r) if r.properties.author = p.public_id;",
            0,
            RuleId.NEGATED_INPUT,
            "wrote(person",
        ),
        ('%s is_open(record.properties); is_open(x) if x.state != "locked";', 0, RuleId.UNGUARDED_INPUT, '!= "locked"'),
        (
            '%s open(record); open(r) if r.properties.x = "no" and cut and r.properties.y = 1; open(_);',
            0,
            RuleId.CUT,
            "cut and",
        ),
    ],
)
def test_missing_or_mistyped_input_satisfies_no_condition_through_another_rule(
    folder: Path, pack: Path, text: str, offset: int, *, broken: RuleId, at: str
) -> None:
    line = add(pack, text % HEAD + "\nused(_);", "record.polar") + offset
    assert places(folder, pack) == [(broken, "record.polar", line)]
    assert is_found([folder, pack], broken, "record.polar", line, at)


@pytest.mark.parametrize(
    "condition",
    [
        'record.properties.state matches String and record.properties.state != "locked"',
        'record.properties.state matches String and not record.properties.state = "locked"',
        "owner = record.properties.owner and owner matches String and owner != person.public_id",
        "record.properties.owner != nil and record.properties.owner = person.public_id",
        'not record.properties.state != "open"',
        'not (not record.properties.state = "open")',
        '(tag in record.properties.tags and tag = "open" and forall(one in record.properties.tags, one = tag))',
        'not "locked" in record.properties.tags',
        '(record.id = "x" or (record.properties.state matches String and record.properties.state != "locked"))',
    ],
)
def test_input_whose_type_is_checked_has_no_finding(folder: Path, pack: Path, condition: str) -> None:
    add(pack, f"{HEAD}{condition};\nused(_);", "record.polar")
    assert check(folder, pack) == []


# The vocabulary of the application


def line_of(folder: Path, file: str, text: str) -> int:
    return next(number for number, line in enumerate((folder / file).read_text().splitlines(), 1) if text in line)


def test_a_permission_that_the_application_never_asks_for_is_found(folder: Path) -> None:
    change(folder, "service.polar", '"launch", "read"]', '"launch", "paint", "read"]')
    line = line_of(folder, "service.polar", '"paint"')
    assert is_found([folder], RuleId.UNUSED_DECLARATION, "service.polar", line, '"paint"')


def test_a_permission_that_the_application_asks_for_and_no_block_declares_is_found(folder: Path) -> None:
    change(folder, "service.polar", '"launch", "read"]', '"read"]')
    line = line_of(folder, "service.polar", "resource Service {")
    assert (RuleId.MISSING_DECLARATION, "service.polar", line) in places(folder)


def test_a_missing_block_is_found(folder: Path) -> None:
    (folder / "service.polar").unlink()
    assert (RuleId.MISSING_DECLARATION, "service.polar", 0) in places(folder)


def test_a_block_that_the_application_does_not_know_is_found(folder: Path) -> None:
    add(folder, "resource Grant {}", "grant.polar")
    assert places(folder) == [(RuleId.UNUSED_DECLARATION, "grant.polar", 1)]


@pytest.mark.parametrize("name", ["Actor", "Boolean", "Float", "Integer", "List", "Resource", "String"])
def test_a_block_with_the_name_of_a_type_of_polar_is_found(folder: Path, pack: Path, name: str) -> None:
    line = add(pack, f"resource {name} {{}}", "record.polar")
    assert (RuleId.INVALID_BLOCK_NAME, "record.polar", line) in places(folder, pack)


@pytest.mark.parametrize("name", ["MS", "SERVICE", "markScheme", "Mark_scheme", "M" + "a" * 60])
def test_a_type_that_messages_could_not_name_is_found(folder: Path, pack: Path, name: str) -> None:
    line = add(pack, f"resource {name} {{}}", "record.polar")
    assert (RuleId.INVALID_BLOCK_NAME, "record.polar", line) in places(folder, pack)


def test_a_rule_that_calls_itself_with_the_same_arguments_is_found(folder: Path) -> None:
    line = add(folder, 'has_permission(p: Person, "read", s: Service) if has_permission(p, "read", s);')
    at = 'has_permission(p, "read", s);'
    assert is_found([folder], RuleId.INFINITE_RECURSION, "service.polar", line, at)


# Allow rules and packs


def test_a_pack_with_rules_for_its_own_types_has_no_findings(folder: Path, pack: Path) -> None:
    assert check(folder, pack) == []


@pytest.mark.parametrize("actor", ["_", "_person"])
def test_a_rule_for_allow_outside_the_main_file_is_found(folder: Path, actor: str) -> None:
    line = add(folder, f'allow({actor}: Person, "read", _service: Service, _context: Context);')
    assert places(folder) == [(RuleId.ALLOW_OUTSIDE_MAIN, "service.polar", line)]


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("allow(_: Person, _action, _resource, _: Context);", RuleId.ALLOW_OUTSIDE_MAIN),
        ("permits(_actor, _action, _resource, _context: Context);", RuleId.FOREIGN_RULE),
        ("membership_in_force(_: Membership);", RuleId.FOREIGN_RULE),
        ('has_role(_: Person, "exams_officer", _: Organisation);', RuleId.FOREIGN_GRANT),
        ('has_permission(_: Person, "launch", _: Service, _: Context);', RuleId.FOREIGN_GRANT),
        ('has_relation(_: Organisation, "organisation", _: Membership);', RuleId.FOREIGN_GRANT),
        ('has_permission(_: Person, "read", _resource);', RuleId.FOREIGN_GRANT),
        (
            'has_permission(_: Person, "read", thing) if (thing matches Record or thing = thing);',
            RuleId.FOREIGN_GRANT,
        ),
    ],
)
def test_a_pack_that_grants_access_to_the_base_policy_is_found(
    folder: Path, pack: Path, text: str, broken: RuleId
) -> None:
    line = add(pack, text, "record.polar")
    assert is_found([folder, pack], broken, "record.polar", line, text)


# Syntax, and findings of oso


def test_a_file_that_is_not_polar_is_found_at_its_place(folder: Path) -> None:
    line = add(folder, 'has_role(person: Person, "visitor" _: Service);')
    assert places(folder) == [(RuleId.POLAR_SYNTAX, "service.polar", line)]
    assert is_found([folder], RuleId.POLAR_SYNTAX, "service.polar", line, "_: Service")


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ('has_role(_: Person, "visitor', RuleId.POLAR_SYNTAX),
        ("acting_at(", RuleId.POLAR_SYNTAX),
        ("allow(_) if £;", RuleId.POLAR_SYNTAX),
        ("acting_at(_)\r;", RuleId.POLAR_SYNTAX),
        (f"used(_) if {'(' * 10_000}true;", RuleId.RULE_TOO_COMPLEX),
        (f"used(x) if x{'.y' * 10_000} = 1;", RuleId.RULE_TOO_COMPLEX),
        (f"used(_) if 1 = 1{' + 1' * 10_000};", RuleId.RULE_TOO_COMPLEX),
    ],
    ids=range(7),
)
def test_text_that_cannot_be_parsed_is_found_and_nothing_that_depends_on_it(
    folder: Path, text: str, broken: RuleId
) -> None:
    add(folder, text)
    assert [(rule, file) for rule, file, _line in places(folder)] == [(broken, "service.polar")]


def test_a_file_that_is_not_utf_8_is_found_where_it_is_not(folder: Path) -> None:
    path = folder / "service.polar"
    path.write_bytes(b"# Caf\xc3\xa9.\n# Caf\xe9.\n" + path.read_bytes())
    [found] = check(folder)
    assert (found.rule, found.file, found.line, found.column) == (RuleId.UNREADABLE_FILE, "service.polar", 2, 6)


def test_a_file_with_the_name_of_another_is_found_besides_all_else(folder: Path, pack: Path) -> None:
    shutil.copy(folder / "service.polar", pack)
    line = add(folder, "?= 1 = 1;", "person.polar")
    assert places(folder, pack) == [
        (RuleId.INLINE_QUERY, "person.polar", line),
        (RuleId.DUPLICATE_FILE, "service.polar", 1),
    ]


def test_an_error_that_only_oso_finds_is_found_at_its_place_and_without_a_link(folder: Path) -> None:
    line = add(folder, 'has_role(person: Person, "visitor", service: Service) if service.state = "hidden";')
    assert places(folder) == [(RuleId.POLAR_ERROR, "service.polar", line)]
    assert is_found([folder], RuleId.POLAR_ERROR, "service.polar", line, "person: Person")
    assert "http" not in check(folder)[0].message


def test_a_warning_of_oso_is_found(folder: Path) -> None:
    line = add(folder, rule('person.state = "closed" and service.state = "live" or state_of(person, "active")'))
    assert set(places(folder)) == {(RuleId.POLAR_WARNING, "service.polar", line)}


def test_an_empty_policy_lacks_every_block(tmp_path: Path) -> None:
    blocks = len(list(SHIPPED.glob("*.polar"))) - 1
    assert [finding.rule for finding in check(tmp_path)] == [RuleId.MISSING_DECLARATION] * blocks


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        check(tmp_path / "nowhere")


LATE = [
    'forall(m in person.memberships, m.state != x) and x = person.state and x = "ended"',
    'not x = "ended" and x = person.state',
    "not ended(x) and x = person.state",
    '((x = person.state and x = "a") or person.state = "b") and not x = "c"',
    'not (forall(y in ["ended"], x != y) and x = person.state)',
]
IN_TIME = [
    'not (m in person.memberships and m.state = "a") and not (m in person.memberships and m.state = "b")',
    'x = person.state and not x = "ended"',
    "forall(m in person.memberships, forall(g in m.grants, g.in_force = true))",
    'm in person.memberships and forall(g in m.grants, not g.role.slug = "a")',
]


def late_bindings(condition: str) -> list[Finding]:
    [parsed] = parse("a.polar", f"r(person: Person) if {condition};").rules
    return [finding for finding in check_rule(parsed) if finding.rule == RuleId.LATE_BINDING]


@pytest.mark.parametrize("condition", LATE)
def test_a_value_that_is_set_after_a_not_or_forall_is_found(condition: str) -> None:
    assert late_bindings(condition)


@pytest.mark.parametrize("condition", IN_TIME)
def test_a_value_that_is_set_in_time_is_not_found(condition: str) -> None:
    assert late_bindings(condition) == []
