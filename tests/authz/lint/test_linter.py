"""The load checks: every slip that oso takes silently is found, with its file and line, and all of them at once."""

import shutil
from pathlib import Path

import pytest

from app.authz.engine.sandbox import PolicyError
from app.authz.lint.linter import Finding, check_folder
from app.authz.lint.type_checker import check_rule
from app.authz.polar import parser
from app.config import ROOT

SHIPPED = ROOT / "policies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policy to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with a kind of its own, to spoil."""
    return Path(shutil.copytree(SHIPPED.parent / "tests" / "packs" / "authzen" / "policies", tmp_path / "pack"))


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


def sentences(folder: Path) -> list[str]:
    return [finding.sentence for finding in check_folder(folder)]


def rule(condition: str) -> str:
    """Return a rule with `condition`, that uses all it is given and is well formed otherwise."""
    return f"""has_permission(person: Person, "read", service: Service) if {condition} and used(person, service);
        used(_person: Person, _service: Service);
        state_of(person: Person, state) if state = person.state;"""


def test_the_shipped_policy_has_no_findings() -> None:
    assert check_folder(SHIPPED) == []


@pytest.mark.parametrize(
    "condition",
    [
        'person.state = "active"',
        'not person.state in ["closed", "suspended"]',
        "membership in person.memberships and membership.organisation.state = service.state",
        "forall(membership in person.memberships, membership.person = person)",
        "home = membership.organisation and membership in person.memberships and home.state != nil",
        'person matches Person{state: "active"}',
        'state_of(person, state) and state = "active"',
        '("support" in person.staff_roles or "auditor" in person.staff_roles)',
        "grant in membership.grants and membership in person.memberships and grant.role.service = service",
        "1 < 2 and 1 + 1 = 2",
        '(thing = service or thing = person) and thing.slug = "scripts"',
    ],
)
def test_a_sound_rule_has_no_findings(folder: Path, condition: str) -> None:
    if "state_of" not in condition:
        condition += " and state_of(person, _)"
    add(folder, rule(condition))
    assert sentences(folder) == []


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        # A path that leads nowhere, under `not` as well as anywhere else.
        ("not person.suspendd = true", "person.suspendd: Person has no field suspendd."),
        ("forall(m in person.memberships, m.stat = 1)", "m.stat: Membership has no field stat."),
        ("m in person.memberships and m.organisation.stat = 1", "m.organisation.stat: Organisation has no field stat."),
        (
            "home = m.organisation and m in person.memberships and home.stat = 1",
            "home.stat: Organisation has no field stat.",
        ),
        ("state_of(person, thing) and thing.stat = 1", "thing.stat: no fact has a field stat."),
        ("state_of(person, thing) and not thing matches Role{stat: 1}", "Role has no field stat."),
        (
            "person.memberships.state = 1",
            "person.memberships.state: a collection has no fields; take its elements with `in`.",
        ),
        ("not person.state.length = 1", "person.state.length: String has no fields."),
        ("state_of(person, thing) and thing.role.stat = 1", "thing.role.stat: Role has no field stat."),
        ("state_of(person, thing) and thing matches Role and thing.stat = 1", "thing.stat: Role has no field stat."),
        ("m in person.memberships and m = service and m.stat = 1", "m.stat: Membership has no field stat."),
        (
            "role matches Role and role = person and one = role.service and one = service and one.stat = 1",
            "one.stat: Service has no field stat.",
        ),
        # What would run code.
        ("not person.__class__ = 1", "person.__class__: names with a leading underscore are never open to rules."),
        ("person.nope()", "person.nope(...) calls a method; rules read fields only."),
        ('person.state.format("x") = "x"', "person.state.format(...) calls a method; rules read fields only."),
        ('person.("state") = 1', 'person.("state") reads a field by a computed name; write the name.'),
        ("not Person.mro = 1", "Person is a kind of thing, not a thing; write it behind a colon or `matches`."),
        ('person = new Person("a", "b")', "new Person(...) makes an object; rules only look at facts."),
        ("print(person)", "print(...) writes what the facts say on the server's output."),
        ("debug()", "debug() would stop the server and wait for somebody to type."),
        ("not {a: 1} = 2", "A dictionary answers nothing here; rules read fields of facts."),
        # What is never true, and so always true under `not`.
        ("not person.state = true", "person.state = true: String and Boolean are never equal."),
        ("person != service", "person != service: Person and Service are never equal."),
        (
            "not person.memberships = []",
            "person.memberships = []: a collection is never equal to anything; take its elements with `in`.",
        ),
        ('not person.state in "inactive"', 'person.state in "inactive": "inactive" is not a collection.'),
        (
            "not service in person.memberships",
            "service in person.memberships: Service is never in a collection of Membership.",
        ),
        ("person < person", "person < person: only numbers are calculated with, and only numbers and texts ordered."),
        ("not grnt.in_force = false", "grnt is never given a value."),
        ("not (m in person.memberships and m.state = nil) and m.state != nil", "m is never given a value."),
        # Names that nobody knows.
        ("not person matches Persn", "There is no kind of fact called Persn."),
        ("nobody(person)", "There is no rule nobody."),
        ("acting_at(person)", "acting_at takes 2 arguments, not 1."),
        ('has_role(person, "visitr", service)', 'Service declares no role "visitr".'),
        ('m in person.memberships and has_role(person, "owner", m)', 'Membership declares no role "owner".'),
    ],
)
def test_a_slip_within_a_rule_is_found_with_its_line(folder: Path, condition: str, sentence: str) -> None:
    line = add(folder, rule(condition + " and state_of(person, _)"))
    assert Finding("service.polar", line, sentence) in check_folder(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('has_permision(_: Person, "read", _: Service);', "Nothing asks has_permision; is it misspelt?"),
        ('forbid(_: Person, "read", _: Service);', "Nothing asks forbid; is it misspelt?"),
        ("lonely(thing) if lonely(thing);", "Nothing asks lonely; is it misspelt?"),
        ('allow(_: Person, "read", _: Service);', "allow takes 4 arguments."),
        ('has_role(_: Person, "visitor", _: Service, _: Context);', "has_role takes 3 arguments."),
        ("acting_at(_: Context);", "acting_at is defined with 1 or 2 arguments."),
        ('has_permission(_: Person, "fly", _: Service);', 'Service declares no permission "fly".'),
        ('has_role(_: Person, "visitr", _: Service);', 'Service declares no role "visitr".'),
        ('has_relation(_: Person, "owner", _: Service);', 'Service declares no relation "owner".'),
        ('has_permission(_: Person, "read", _: Servce);', "There is no kind of fact called Servce."),
        ("type launching(_person: Persn);", "There is no kind of fact called Persn."),
        ("?= 1 = 1;", "Inline queries (?=) are not used here; write a decision table."),
        ("?= 1 = 2;", "Inline queries (?=) are not used here; write a decision table."),
    ],
)
def test_a_slip_in_a_head_is_found_with_its_line(folder: Path, text: str, sentence: str) -> None:
    line = add(folder, text)
    assert Finding("service.polar", line, sentence) in check_folder(folder)


def test_every_finding_is_reported_and_not_only_the_first(folder: Path) -> None:
    first = add(folder, 'has_permission(person: Person, "fly", _: Service) if person.stat = 1 and nobody(person);')
    second = add(folder, 'forbid(_: Persn, "read");', "person.polar")
    assert check_folder(folder) == [
        Finding("person.polar", second, "Nothing asks forbid; is it misspelt?"),
        Finding("person.polar", second, "There is no kind of fact called Persn."),
        Finding("service.polar", first, 'Service declares no permission "fly".'),
        Finding("service.polar", first, "There is no rule nobody."),
        Finding("service.polar", first, "person.stat: Person has no field stat."),
    ]


def test_every_inline_query_is_found(folder: Path) -> None:
    line = add(folder, "?= 1 = 2;\n?= 1 = 1;")
    assert [finding.line for finding in check_folder(folder)] == [line, line + 1]


# Blocks


def test_the_same_block_in_two_files_is_found(folder: Path) -> None:
    line = add(folder, "resource Person {}")
    assert Finding("service.polar", line, "The block Person stands in person.polar already.") in check_folder(folder)


def test_two_blocks_in_one_file_are_found(folder: Path) -> None:
    add(folder, "resource Grant {}")
    assert "A file holds exactly one resource block; this one holds 2." in sentences(folder)


def test_a_file_without_a_block_is_found(folder: Path) -> None:
    add(folder, "# nothing yet", "grant.polar")
    assert Finding("grant.polar", 0, "A file holds exactly one resource block; this one holds 0.") in check_folder(
        folder
    )


def test_a_block_in_a_file_of_another_name_is_found(folder: Path) -> None:
    (folder / "person.polar").rename(folder / "people.polar")
    assert "The block Person belongs in person.polar." in sentences(folder)


def test_a_block_of_two_words_belongs_in_a_file_of_two_words(folder: Path) -> None:
    add(folder, "resource MarkScheme {}", "markscheme.polar")
    assert "The block MarkScheme belongs in mark_scheme.polar." in sentences(folder)


def test_a_resource_block_in_the_main_file_is_found(folder: Path) -> None:
    line = add(folder, "resource Grant {}", "main.polar")
    assert Finding("main.polar", line, "main.polar holds no resource block.") in check_folder(folder)


def test_an_actor_block_outside_the_main_file_is_found(folder: Path) -> None:
    line = add(folder, "actor Grant {}")
    assert Finding("service.polar", line, "Actor blocks stand in main.polar.") in check_folder(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "service.polar",
            '"read" if "visitor"',
            '"raed" if "visitor"',
            'Service declares no permission or role "raed".',
        ),
        ("service.polar", '"read" if "visitor"', '"read" if "visitr"', 'Service declares no role "visitr".'),
        (
            "membership.polar",
            'on "organisation"',
            'on "organization"',
            'Membership declares no relation "organization".',
        ),
        ("membership.polar", '"exams_officer" on', '"officer" on', 'Organisation declares no role "officer".'),
        ("service.polar", '  "read" if "visitor";\n', "", 'No rule gives the permission "read" of Service.'),
        ("portal.polar", '"guest", _portal', '"person", _portal', 'No rule gives the role "guest" of Portal.'),
        (
            "membership.polar",
            "has_relation(organisation: O",
            "helper(organisation: O",
            'No rule gives the relation "organisation" of Membership.',
        ),
    ],
)
def test_a_word_of_a_block_that_leads_nowhere_is_found(
    folder: Path, file: str, old: str, new: str, sentence: str
) -> None:
    change(folder, file, old, new)
    assert sentence in sentences(folder)


def test_a_rule_with_a_variable_for_the_role_gives_every_role(folder: Path) -> None:
    change(folder, "platform.polar", '"support"]', '"support", "painter"]')
    assert sentences(folder) == []


def test_a_role_that_another_role_implies_is_given(folder: Path) -> None:
    change(folder, "portal.polar", '"person"];', '"person", "visitor"];\n  "visitor" if "person";')
    assert sentences(folder) == []


# What callers tell

STATE = ("record.properties.state", "String")
TOLD = 'has_permission(person: Person, "delete", record: Record) if used(person) and used(record) and '


@pytest.mark.parametrize(
    ("condition", "term", "kind"),
    [
        ('record.properties.state != "locked"', "record.properties.state", "String"),
        ('not record.properties.state = "locked"', "record.properties.state", "String"),
        ("not (1 = 1 and true == record.properties.locked)", "record.properties.locked", "Boolean"),
        ("record.properties.plan.level != 3", "record.properties.plan.level", "Integer"),
        ('not record.properties.state in ["locked"]', "record.properties.state", "String"),
        ('not "locked" in [record.properties.state]', "record.properties.state", "String"),
        ('not record.properties.state matches "locked"', "record.properties.state", "String"),
        ("not record.properties.state matches String", "record.properties.state", "String"),
        ('(a = record.properties.state and b = a and b != "locked")', "b", "String"),
        ('(a in [record.properties.state] and a != "locked")', "a", "String"),
        (
            '((record.properties.state matches String and 1 = 2) or record.properties.state != "locked")',
            *("record.properties.state", "String"),
        ),
        ("record.properties.owner != person.public_id", "record.properties.owner", "String"),
        ("(owner = record.properties.owner and owner != person.public_id)", "owner", "String"),
        ('(state = record.properties.state and not state = "locked")', "state", "String"),
        ('(tag in record.properties.tags and not tag = "locked")', "tag", "String"),
        ('forall(record.properties.state = "locked", 1 = 2)', "record.properties.state", "String"),
        ('(part in record.properties.parts and part.state != "locked")', "part.state", "String"),
        ('(inner = record.properties.inner and inner.state != "locked")', "inner.state", "String"),
        ("not record.properties.barred in person.staff_roles", "record.properties.barred", "String"),
        ("record.properties.pages < 5", "record.properties.pages", "Integer"),
        ("not record.properties.pages >= 5", "record.properties.pages", "Integer"),
        ('not (record.properties.state matches String and record.properties.state = "locked")', *STATE),
    ],
)
def test_what_was_not_told_lets_nobody_through(folder: Path, pack: Path, condition: str, term: str, kind: str) -> None:
    line = add(pack, f"{TOLD}{condition};\nused(_);", "record.polar")
    sentence = f"{term} may be missing or of another kind, and this lets it through"
    expected = f"{sentence}; write `{term} matches {kind} and ...` in front."
    assert check_folder(folder, pack) == [Finding("record.polar", line, expected)]


def test_two_things_that_nobody_told_open_nothing_by_being_equal(folder: Path, pack: Path) -> None:
    both = "record.properties.team = person.properties.team"
    line = add(pack, f"{TOLD}{both};\nused(_);", "record.polar")
    expected = (
        "record.properties.team and person.properties.team may both be missing, and are equal then;"
        " write `record.properties.team matches String and ...` in front."
    )
    assert check_folder(folder, pack) == [Finding("record.polar", line, expected)]
    path = pack / "record.polar"
    path.write_text(path.read_text().replace(both, f"person.properties.team matches String and {both}"))
    assert check_folder(folder, pack) == []


@pytest.mark.parametrize(
    ("rules", "line", "words"),
    [
        ("%s not wrote(person, record); wrote(p, r) if r.properties.author = p.public_id;", 0, "wrote(...) looks at"),
        ('%s not locked(record.properties.state); locked("locked");', 0, "locked(...) looks at"),
        ("%s differs(record.properties.author, person.public_id);\ndiffers(a, b) if a != b;", 1, "a may be missing"),
        ("%s not one(record); one(r) if two(r); two(r) if r.properties.x = 1;", 0, "one(...) looks at"),
        ("%s forall(wrote(person, record), 1 = 2); wrote(p, r) if r.properties.author = p.public_id;", 0, "wrote(...)"),
        ('%s is_open(record.properties); is_open(told) if told.state != "locked";', 0, "told.state may be missing"),
        ('%s open(record); open(r) if r.properties.x = "no" and cut and 1 = 2; open(_);', 0, "cut hides the rules"),
    ],
)
def test_what_was_not_told_lets_nobody_through_by_way_of_another_rule(
    folder: Path, pack: Path, rules: str, line: int, words: str
) -> None:
    start = add(pack, rules % TOLD + "\nused(_);", "record.polar")
    [found] = check_folder(folder, pack)
    assert (found.file, found.line) == ("record.polar", start + line)
    assert words in found.sentence


@pytest.mark.parametrize(
    "condition",
    [
        'record.properties.state matches String and record.properties.state != "locked"',
        'record.properties.state matches String and not record.properties.state = "locked"',
        "owner = record.properties.owner and owner matches String and owner != person.public_id",
        "record.properties.owner != nil and record.properties.owner = person.public_id",
        'not record.properties.state != "open"',
        'not (not record.properties.state = "open")',
        'forall(tag in record.properties.tags, tag = "open")',
        'not "locked" in record.properties.tags',
        '(1 = 2 or (record.properties.state matches String and record.properties.state != "locked"))',
    ],
)
def test_what_must_have_been_told_has_no_finding(folder: Path, pack: Path, condition: str) -> None:
    add(pack, f"{TOLD}{condition};\nused(_);", "record.polar")
    assert check_folder(folder, pack) == []


# The words that the code shares


def test_a_permission_that_the_code_never_asks_for_is_found(folder: Path) -> None:
    change(folder, "service.polar", '["launch", "read"]', '["launch", "paint", "read"]')
    assert 'The code never asks for "paint" on a Service.' in sentences(folder)


def test_a_permission_that_the_code_asks_for_and_no_block_declares_is_found(folder: Path) -> None:
    change(folder, "service.polar", '["launch", "read"]', '["read"]')
    assert 'The code asks for "launch" on a Service, which is not declared.' in sentences(folder)


def test_a_missing_block_is_found(folder: Path) -> None:
    (folder / "service.polar").unlink()
    assert "The code asks about a Service, and no resource block is called so." in sentences(folder)


def test_a_block_that_the_code_does_not_know_is_found(folder: Path) -> None:
    add(folder, "resource Grant {}", "grant.polar")
    assert "The code never asks about a Grant." in sentences(folder)


@pytest.mark.parametrize("name", ["Actor", "Boolean", "Float", "Integer", "List", "Resource", "String"])
def test_a_block_that_is_called_like_a_word_of_polar_is_found(folder: Path, pack: Path, name: str) -> None:
    line = add(pack, f"resource {name} {{}}", "record.polar")
    sentence = f"{name} is a word of Polar; call the kind something else."
    assert Finding("record.polar", line, sentence) in check_folder(folder, pack)


@pytest.mark.parametrize("name", ["MS", "SERVICE", "markScheme", "Mark_scheme", "M" + "a" * 60])
def test_a_kind_that_messages_could_not_name_is_found(folder: Path, pack: Path, name: str) -> None:
    line = add(pack, f"resource {name} {{}}", "record.polar")
    sentence = f"{name}: a kind is called like MarkScheme, one capital a word, in at most 60 characters."
    assert Finding("record.polar", line, sentence) in check_folder(folder, pack)


def test_a_rule_that_asks_itself_the_same_again_is_found(folder: Path) -> None:
    line = add(folder, 'has_permission(p: Person, "read", s: Service) if has_permission(p, "read", s);')
    assert Finding("service.polar", line, "has_permission asks itself the same again.") in check_folder(folder)


# The doors


def test_a_pack_that_speaks_of_its_own_kinds_has_no_findings(folder: Path, pack: Path) -> None:
    assert check_folder(folder, pack) == []


def test_a_rule_for_allow_outside_the_main_file_is_found(folder: Path) -> None:
    line = add(folder, 'allow(_: Person, "read", _: Service, _: Context);')
    sentence = "Rules for allow stand in main.polar; nothing goes past its conditions."
    assert check_folder(folder) == [Finding("service.polar", line, sentence)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "allow(_: Person, _action, _resource, _: Context);",
            "Rules for allow stand in main.polar; nothing goes past its conditions.",
        ),
        (
            "permits(_actor, _action, _resource, _context: Context);",
            "permits is a rule of the portal; a pack adds nothing to it.",
        ),
        (
            "membership_in_force(_: Membership);",
            "membership_in_force is a rule of the portal; a pack adds nothing to it.",
        ),
        (
            'has_role(_: Person, "exams_officer", _: Organisation);',
            "A pack gives a role on its own kinds only; name one in the head.",
        ),
        (
            'has_permission(_: Person, "launch", _: Service, _: Context);',
            "A pack gives a permission on its own kinds only; name one in the head.",
        ),
        (
            'has_relation(_: Organisation, "organisation", _: Membership);',
            "A pack gives a relation on its own kinds only; name one in the head.",
        ),
        (
            'has_permission(_: Person, "read", _resource);',
            "A pack gives a permission on its own kinds only; name one in the head.",
        ),
        (
            'has_permission(_: Person, "read", thing) if (thing matches Record or thing = thing);',
            "A pack gives a permission on its own kinds only; name one in the head.",
        ),
    ],
)
def test_a_door_of_the_portal_that_a_pack_opens_is_found(folder: Path, pack: Path, text: str, sentence: str) -> None:
    line = add(pack, text, "record.polar")
    assert Finding("record.polar", line, sentence) in check_folder(folder, pack)


# What oso itself has to say


def test_a_file_that_is_not_polar_is_found_with_its_line(folder: Path) -> None:
    line = add(folder, 'has_role(person: Person, "visitor" _: Service);')
    assert [(finding.file, finding.line) for finding in check_folder(folder)] == [("service.polar", line)]


@pytest.mark.parametrize(
    "text",
    ['has_role(_: Person, "visitor', "acting_at(", "allow(_) if £;", "acting_at(_)\r;"]
    + [f"used(_) if {'(' * 10_000}true;", f"used(x) if x{'.y' * 10_000} = 1;", f"used(_) if 1 = 1{' + 1' * 10_000};"],
)
def test_unreadable_text_is_found_and_nothing_that_depends_on_it(folder: Path, text: str) -> None:
    add(folder, text)
    assert [finding.file for finding in check_folder(folder)] == ["service.polar"]


def test_an_error_that_only_oso_finds_is_found_with_its_line_and_without_a_link(folder: Path) -> None:
    line = add(folder, 'has_role(person: Person, "visitor", _: Service);')
    assert check_folder(folder) == [
        Finding(
            "service.polar", line, "Singleton variable person is unused or undefined; try renaming to _person or _."
        )
    ]


def test_a_warning_of_oso_is_found(folder: Path) -> None:
    line = add(folder, rule('person.state = "a" and service.state = "b" or state_of(person, "c")'))
    findings = check_folder(folder)
    assert [(finding.file, finding.line) for finding in findings] == [("service.polar", line)]
    assert findings[0].sentence.startswith("Expression without parentheses could be ambiguous.")


def test_an_empty_policy_lacks_every_block(tmp_path: Path) -> None:
    assert len(check_folder(tmp_path)) == len(list(SHIPPED.glob("*.polar"))) - 1


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        check_folder(tmp_path / "nowhere")


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


def slips_behind(condition: str) -> list[str]:
    """Return what is said of values that come too late."""
    [read] = parser.read("a.polar", f"r(person: Person) if {condition};").rules
    return [slip.sentence for slip in check_rule(read) if "only behind" in slip.sentence]


@pytest.mark.parametrize("condition", LATE)
def test_a_value_that_comes_behind_a_not_or_forall_is_found(condition: str) -> None:
    assert slips_behind(condition)


@pytest.mark.parametrize("condition", IN_TIME)
def test_a_value_that_comes_in_time_is_none_of_a_slip(condition: str) -> None:
    assert slips_behind(condition) == []


def test_nothing_but_the_main_file_says_what_is_allowed(folder: Path) -> None:
    line = add(folder, 'allow(_person: Person, "read", _service: Service, _context: Context);')
    sentence = "Rules for allow stand in main.polar; nothing goes past its conditions."
    assert Finding("service.polar", line, sentence) in check_folder(folder)
