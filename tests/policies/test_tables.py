"""The shipped tables agree with the shipped rules, and no rule or condition can go without a table noticing it."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.authz.engine.engine import Engine
from app.authz.engine.sandbox import PolicyError
from app.authz.lint.decision_tables import Cast, run_table, run_tables, table_name
from app.authz.lint.linter import Finding
from app.authz.lint.verify import check_with_cast
from app.authz.polar import parser
from app.config import ROOT
from app.kernel import database as kernel
from app.seeding.loader import load_cast
from tests.running import restored

Findings = Callable[[str], list[str]]
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
            kernel.migrate()
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
def sentences(folder: Path, cast: Cast) -> Findings:
    """What is wrong with the table of one kind of thing, as it is then."""

    def sentences(kind: str) -> list[str]:
        findings = run_table(Engine.load(folder), folder / table_name(kind), kind, cast)
        return [f"{finding.file}:{finding.line}: {finding.sentence}" for finding in findings]

    return sentences


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
    files = [parser.read(path.name, path.read_text()) for path in SHIPPED.glob("*.polar")]
    shorthands = sum(len(block.shorthands) for file in files for block in file.blocks)
    assert sum(removal.new == "" for removal in REMOVALS) == shorthands + sum(len(file.rules) for file in files)


@pytest.mark.slow
@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_no_rule_or_condition_goes_unnoticed(removal: Removal, folder: Path, cast: Cast) -> None:
    removal.apply(folder)
    assert noticed(folder, removal.file.replace(".polar", "_test.toml"), cast), f"No table notices {removal}."


def test_a_permission_that_the_table_does_not_list_is_found(folder: Path, sentences: Findings) -> None:
    replace(folder / "service.polar", 'service.state = "live" and\n  membership in', "membership in")
    line = line_of(folder / "service_test.toml", "online-moderation")
    assert (
        f"service_test.toml:{line - 1}: olivia-marsh may launch online-moderation, and the table does not say so."
        in sentences("Service")
    )


def test_a_permission_that_the_rules_do_not_give_is_found(folder: Path, sentences: Findings) -> None:
    replace(folder / "platform_test.toml", "ruth-adeyemi = [", 'ruth-adeyemi = ["add_organisation", ')
    line = line_of(folder / "platform_test.toml", "ruth-adeyemi =")
    assert sentences("Platform") == [
        f"platform_test.toml:{line}: ruth-adeyemi may not add_organisation platform, and the table says that they may."
    ]


def test_a_difference_names_the_organisation_asked_about(folder: Path, sentences: Findings) -> None:
    replace(folder / "service_test.toml", 'at = "westbrook"\n[thing.allowed]', 'at = "eastgate"\n[thing.allowed]')
    assert any(
        "amara-lewis may not launch teaching-resources at eastgate" in sentence for sentence in sentences("Service")
    )


def test_a_guest_and_a_program_are_compared_like_people(folder: Path, sentences: Findings) -> None:
    replace(folder / "portal.polar", '"see_home" if "person"', '"see_home" if "guest"')
    replace(folder / "evaluation_test.toml", '"client:access-to-scripts" = ["ask", "register"]', "guest = []")
    assert "guest may see_home portal, and the table does not say so." in " ".join(sentences("Portal"))
    assert "client:access-to-scripts may ask service of access-to-scripts, and the table does not say so." in " ".join(
        sentences("Evaluation")
    )


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ("olivia-mash = []", "The cast has nobody called olivia-mash."),
        ('sam-porter = ["lunch"]', "lunch is not a permission of Service."),
        ('sam-porter = "read"', "[thing.allowed] gives a list of actions for each actor."),
        ('[[thing]]\nid = "telepathy"', "The cast has no service telepathy."),
        ('[[thing]]\nid = "training"\nat = "hogwash"', "The cast has no organisation hogwash."),
        ('[[thing]]\nid = "training"\nby = "sam-porter"', "by means nothing here."),
        ('[[thing]]\nid = "training"\nservice = "training"', "service means nothing here."),
        ("[[thing]]\nid = 7", "A thing is named by an id, as text."),
        ('[[thing]]\nat = "northfield"', "A thing is named by an id, as text."),
        ("[[thing]]\nid = ", "This is not TOML: Invalid value."),
    ],
)
def test_nonsense_in_a_table_is_found_where_it_stands(
    folder: Path, sentences: Findings, added: str, sentence: str
) -> None:
    path = folder / "service_test.toml"
    path.write_text('[[thing]]\nid = "results-by-post"\n[thing.allowed]\n' + added + "\n")
    at = 1 if added == 'sam-porter = "read"' else 5 if "TOML" in sentence else 4
    assert f"service_test.toml:{at}: {sentence}" in sentences("Service")


def test_a_word_beside_the_things_is_found(folder: Path, sentences: Findings) -> None:
    path = folder / "portal_test.toml"
    path.write_text("thng = 1\n" + path.read_text())
    assert sentences("Portal") == ["portal_test.toml:1: thng means nothing here; a table lists [[thing]]."]


def test_a_thing_of_the_cast_that_a_table_leaves_out_is_found(folder: Path, sentences: Findings) -> None:
    replace(folder / "organisation_test.toml", '[[thing]]\nid = "southmere"\n', "")
    assert sentences("Organisation") == ["organisation_test.toml:0: The table says nothing about southmere."]


def test_a_resource_without_a_table_is_found(folder: Path, sentences: Findings) -> None:
    (folder / "portal_test.toml").unlink()
    assert sentences("Portal") == ["portal_test.toml:0: Portal has no decision table."]


def test_a_table_without_a_resource_is_found(folder: Path) -> None:
    (folder / "potato_test.toml").write_text("")
    expected = Finding("potato_test.toml", 0, "No resource block belongs to this table.")
    assert run_tables(Engine.load(folder), folder) == [expected]


def test_an_error_while_deciding_is_a_finding(folder: Path, sentences: Findings) -> None:
    replace(folder / "portal.polar", 'has_role(_person: Person, "person", _portal: Portal);', "")
    text = 'has_role(person: Person, "person", _portal: Portal) if person.memberships = person;'
    (folder / "portal.polar").write_text((folder / "portal.polar").read_text() + text)
    assert any("portal_test.toml" in sentence and "May olivia-marsh" in sentence for sentence in sentences("Portal"))


@pytest.mark.slow
def test_the_whole_check_finds_what_the_load_checks_and_what_the_tables_find(
    folder: Path,
) -> None:
    replace(folder / "portal_test.toml", "guest = ", "sam-portr = ")
    with (folder / "service.polar").open("a") as file:
        file.write('has_rol(_person: Person, "visitor", _service: Service);\n')
    with restored():
        found = {finding.file for finding in check_with_cast(folder)}
    assert {"portal_test.toml", "service.polar"} <= found


@pytest.mark.slow
def test_the_whole_check_of_the_shipped_policy_finds_nothing() -> None:
    with restored():
        assert check_with_cast(SHIPPED) == []


def test_a_policy_that_does_not_load_is_not_compared(folder: Path) -> None:
    (folder / "portal.polar").write_text("resource Portal {")
    findings = check_with_cast(folder)
    assert findings
    assert {finding.file for finding in findings} == {"portal.polar"}
