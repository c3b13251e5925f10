"""The shipped tables agree with the shipped rules, and no rule or condition can go without a table noticing it."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.lint.decision_tables import Cast, run_table, run_tables, table_name
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.policy_check import check_policy
from app.authz.polar.parser import parse
from app.config import ROOT
from app.kernel import database as kernel
from app.kernel.schema import migrate
from app.seeding.loader import load_cast
from tests.running import restored

FindingsOf = Callable[[str], list[Finding]]
Place = tuple[RuleId, str, int]
SHIPPED = ROOT / "policies"

RULE = re.compile(r"^(?P<head>\w+\([^;]*?\))(?: if\s(?P<body>[^;]*))?;", re.MULTILINE)
SHORTHAND = re.compile(r'^ +"\w+" if [^;]*;', re.MULTILINE)


@dataclass(frozen=True)
class Removal:
    """A part of a policy file that is taken out: `old` becomes `new`, once."""

    file: str
    start: int
    old: str
    new: str
    what: str

    def __str__(self) -> str:
        line = (SHIPPED / self.file).read_text()[: self.start].count("\n") + 1
        return f"{self.file}:{line} {self.what}"

    def apply(self, folder: Path) -> None:
        text = (folder / self.file).read_text()
        assert text[self.start :].startswith(self.old)
        (folder / self.file).write_text(text[: self.start] + self.new + text[self.start + len(self.old) :])


def removals() -> Iterator[Removal]:
    for path in sorted(SHIPPED.glob("*.polar")):
        text = path.read_text()
        for shorthand in SHORTHAND.finditer(text):
            yield Removal(path.name, shorthand.start(), shorthand[0], "", shorthand[0].strip())
        for rule in RULE.finditer(text):
            yield Removal(path.name, rule.start(), rule[0], "", f"{rule['head'].partition('(')[0]}, the whole rule")
            conditions = re.split(r"\s+and\s+", rule["body"].strip()) if rule["body"] else []
            for condition in conditions:
                rest = [kept for kept in conditions if kept is not condition]
                body = f" if {' and '.join(rest)}" if rest else ""
                yield Removal(path.name, rule.start(), rule[0], f"{rule['head']}{body};", f"without {condition}")


REMOVALS = list(removals())


@pytest.fixture(scope="module", autouse=True)
def cast_in_memory() -> Iterator[None]:
    with restored():
        kernel.bind("sqlite:///:memory:")
        with kernel.connected():
            migrate()
            load_cast()
            yield


@pytest.fixture(scope="module")
def cast(cast_in_memory: None) -> Cast:
    return Cast()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


@pytest.fixture
def findings_of(folder: Path, cast: Cast) -> FindingsOf:
    """The findings in the table of one type, as it is then."""
    return lambda kind: list(run_table(Engine.load(folder), folder / table_name(kind), kind, cast))


def places(findings: Iterable[Finding]) -> list[Place]:
    return [(finding.rule, finding.file, finding.line) for finding in findings]


def differs(findings: Iterable[Finding], *names: str) -> list[int]:
    """Return the lines on which the table differs about this actor, action and resource."""
    return [
        finding.line
        for finding in findings
        if finding.rule == RuleId.TABLE_DIFFERS and set(names) <= set(finding.message.replace(",", " ").split())
    ]


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def noticed(folder: Path, own: str, cast: Cast) -> bool:
    """Return whether any table differs; the file's own is asked first, because it is the likeliest."""
    try:
        engine = Engine.load(folder)
    except PolicyError:
        return True
    kinds = sorted(engine.permissions, key=lambda kind: (table_name(kind) != own, kind != "Portal", kind))
    return any(True for kind in kinds for _ in run_table(engine, folder / table_name(kind), kind, cast))


def test_the_shipped_tables_agree_with_the_shipped_rules() -> None:
    assert run_tables(Engine.load(SHIPPED), SHIPPED) == []


def test_every_rule_is_among_those_taken_out() -> None:
    files = [parse(path.name, path.read_text()) for path in SHIPPED.glob("*.polar")]
    shorthands = sum(len(block.shorthands) for file in files for block in file.blocks)
    assert sum(removal.new == "" for removal in REMOVALS) == shorthands + sum(len(file.rules) for file in files)


def is_for_packs(removal: Removal) -> bool:
    """Return whether only a pack has what a rule is about; `tests/api/test_subjects.py` notices it."""
    return removal.old.startswith("allow(subject: Subject")


@pytest.mark.slow
@pytest.mark.parametrize("removal", [one for one in REMOVALS if not is_for_packs(one)], ids=str)
def test_no_rule_or_condition_goes_unnoticed(removal: Removal, folder: Path, cast: Cast) -> None:
    removal.apply(folder)
    assert noticed(folder, removal.file.replace(".polar", "_test.toml"), cast), f"No table notices {removal}."


def test_a_permission_that_the_table_does_not_list_is_found(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "service.polar", 'service.state = "live" and\n  membership in', "membership in")
    line = line_of(folder / "service_test.toml", "online-moderation")
    assert line - 1 in differs(findings_of("Service"), "olivia-marsh", "launch", "online-moderation")


def test_a_permission_that_the_rules_do_not_grant_is_found(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "platform_test.toml", "ruth-adeyemi = [", 'ruth-adeyemi = ["add_organisation", ')
    line = line_of(folder / "platform_test.toml", "ruth-adeyemi =")
    [found] = findings_of("Platform")
    assert (found.rule, found.file, found.line, found.column) == (
        RuleId.TABLE_DIFFERS,
        "platform_test.toml",
        line,
        1,
    )
    assert differs([found], "ruth-adeyemi", "add_organisation", "platform") == [line]


def test_a_difference_names_the_organisation_acted_in(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "service_test.toml", 'at = "westbrook"\n[thing.allowed]', 'at = "eastgate"\n[thing.allowed]')
    assert differs(findings_of("Service"), "amara-lewis", "launch", "teaching-resources", "eastgate")


def test_a_guest_and_a_client_are_compared_like_people(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "portal.polar", '"see_home" if "person"', '"see_home" if "guest"')
    replace(folder / "evaluation_test.toml", '"client:access-to-scripts" = ["ask", "register"]', "guest = []")
    assert differs(findings_of("Portal"), "guest", "see_home", "portal")
    assert differs(findings_of("Evaluation"), "client:access-to-scripts", "ask", "service", "access-to-scripts")


@pytest.mark.parametrize(
    ("added", "rule", "line"),
    [
        ("olivia-mash = []", RuleId.UNKNOWN_CAST_NAME, 4),
        ('sam-porter = ["lunch"]', RuleId.UNDECLARED_NAME, 4),
        ('sam-porter = "read"', RuleId.INVALID_TABLE, 1),
        ('sam-porter = [["read"]]', RuleId.INVALID_TABLE, 1),
        ('[[thing]]\nid = "telepathy"', RuleId.UNKNOWN_CAST_NAME, 4),
        ('[[thing]]\nid = "training"\nat = "hogwash"', RuleId.UNKNOWN_CAST_NAME, 4),
        ('[[thing]]\nid = "training"\nby = "sam-porter"', RuleId.INVALID_TABLE, 4),
        ('[[thing]]\nid = "training"\nservice = "training"', RuleId.INVALID_TABLE, 4),
        ("[[thing]]\nid = 7", RuleId.INVALID_TABLE, 4),
        ('[[thing]]\nid = ["training"]', RuleId.INVALID_TABLE, 4),
        ('[[thing]]\nat = "northfield"', RuleId.INVALID_TABLE, 4),
        ("[[thing]]\nid = ", RuleId.TOML_SYNTAX, 5),
    ],
)
def test_an_invalid_entry_of_a_table_is_found_at_its_place(
    folder: Path, findings_of: FindingsOf, added: str, rule: RuleId, line: int
) -> None:
    path = folder / "service_test.toml"
    path.write_text('[[thing]]\nid = "results-by-post"\n[thing.allowed]\n' + added + "\n")
    assert (rule, "service_test.toml", line) in places(findings_of("Service"))


def test_an_unknown_key_beside_the_things_is_found(folder: Path, findings_of: FindingsOf) -> None:
    path = folder / "portal_test.toml"
    path.write_text("thng = 1\n" + path.read_text())
    assert places(findings_of("Portal")) == [(RuleId.INVALID_TABLE, "portal_test.toml", 1)]


def test_a_resource_of_the_cast_that_a_table_leaves_out_is_found(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "organisation_test.toml", 'id = "southmere"', 'id = "eastgate"\nat = "southmere"')
    [found] = findings_of("Organisation")
    assert (found.rule, found.file, found.line) == (RuleId.INCOMPLETE_TABLE, "organisation_test.toml", 0)
    assert "southmere" in found.message


def test_a_resource_without_a_table_is_found(folder: Path, findings_of: FindingsOf) -> None:
    (folder / "portal_test.toml").unlink()
    assert places(findings_of("Portal")) == [(RuleId.MISSING_TABLE, "portal_test.toml", 0)]


def test_a_table_without_a_resource_is_found(folder: Path) -> None:
    (folder / "potato_test.toml").write_text("")
    assert places(run_tables(Engine.load(folder), folder)) == [(RuleId.UNUSED_TABLE, "potato_test.toml", 0)]


def test_an_error_while_deciding_is_a_finding(folder: Path, findings_of: FindingsOf) -> None:
    replace(folder / "portal.polar", 'has_role(_person: Person, "person", _portal: Portal);', "")
    text = 'has_role(person: Person, "person", _portal: Portal) if person.memberships = person;'
    (folder / "portal.polar").write_text((folder / "portal.polar").read_text() + text)
    errors = [finding for finding in findings_of("Portal") if finding.rule == RuleId.EVALUATION_ERROR]
    assert {finding.file for finding in errors} == {"portal_test.toml"}
    assert any("olivia-marsh" in finding.message for finding in errors)


@pytest.mark.slow
def test_the_whole_check_finds_what_the_load_checks_and_what_the_tables_find(
    folder: Path,
) -> None:
    replace(folder / "portal_test.toml", "guest = ", "sam-portr = ")
    with (folder / "service.polar").open("a") as file:
        file.write('has_rol(_person: Person, "visitor", _service: Service);\n')
    with restored():
        found = {finding.file for finding in check_policy(folder)}
    assert {"portal_test.toml", "service.polar"} <= found


@pytest.mark.slow
def test_the_whole_check_of_the_shipped_policy_finds_nothing() -> None:
    with restored():
        assert check_policy(SHIPPED) == []


def test_a_policy_that_does_not_load_is_not_compared(folder: Path) -> None:
    (folder / "portal.polar").write_text("resource Portal {")
    findings = check_policy(folder)
    assert findings
    assert {finding.file for finding in findings} == {"portal.polar"}
