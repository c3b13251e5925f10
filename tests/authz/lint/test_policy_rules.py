"""docs/policy-rules.md explains every rule, and its examples break exactly that rule, or none."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.authz.engine.source import PolicySource
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.linter import lint
from app.config import ROOT
from tests.running import findings_of, pack_findings

TEXT = (ROOT / "docs" / "policy-rules.md").read_text()

FENCE = re.compile(r"^```(polar|toml|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_LINE = re.compile(r"# (?P<file>(?:policies|reports)/\S+?\.\w+)(?:, saved as (?P<encoding>\S+))?")

BASE_FILE = "# policies/"

# They are about the files of a pack, its fixtures or decision tables, so the whole check has to run.
NEEDS_CAST = {
    RuleId.EVALUATION_ERROR,
    RuleId.INCOMPLETE_TABLE,
    RuleId.INLINE_QUERY,
    RuleId.INVALID_FIXTURE,
    RuleId.INVALID_TABLE,
    RuleId.MISSING_TABLE,
    RuleId.TABLE_DIFFERS,
    RuleId.TOML_SYNTAX,
    RuleId.UNKNOWN_CAST_NAME,
    RuleId.UNREAD_FILE,
    RuleId.UNUSED_TABLE,
}


@dataclass(frozen=True)
class Example:
    """One example: the fences under `Bad:` or `Good:`, as pairs of their language and text."""

    rule: str
    is_bad: bool
    fences: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{'bad' if self.is_bad else 'good'} {self.rule}"


def sections() -> Iterator[tuple[str, str]]:
    """Yield each heading of a rule with the text below it."""
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        yield heading, text.partition("\n## ")[0]


def examples() -> Iterator[Example]:
    for rule, text in sections():
        _explanation, bad, good = re.split(r"^(?:Bad|Good):$", text, flags=re.MULTILINE)
        for is_bad, part in ((True, bad), (False, good)):
            yield Example(rule, is_bad, tuple((found[1], found[2]) for found in FENCE.finditer(part)))


EXAMPLES = list(examples())
PREAMBLE = next(FENCE.finditer(TEXT))[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped policy, and the pack of the examples."""
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    fixtures = tmp_path / "reports" / "fixtures"
    fixtures.mkdir(parents=True)
    (fixtures / "people.toml").write_text('[[person]]\nid = "alice"\n')
    reports = (
        f'[[record]]\ntype = "report"\nid = "{name}"\nproperties = {{ author = "alice" }}\n'
        for name in ("march", "april")
    )
    (fixtures / "records.toml").write_text("".join(reports))
    (tmp_path / "reports" / "policies").mkdir()
    (tmp_path / "reports" / "policies" / "report.polar").write_text(PREAMBLE)
    entries = (f'[[thing]]\nid = "{name}"\n[thing.allowed]\nalice = ["read"]\n' for name in ("march", "april"))
    (tmp_path / "reports" / "policies" / "report_test.toml").write_text("".join(entries))
    return tmp_path


def apply(folder: Path, language: str, text: str) -> None:
    """Make the change to the policies in `folder` that an example describes."""
    place = FILE_LINE.match(text)
    path = folder / (place["file"] if place else "reports/policies/report.polar")
    before = path.read_text() if path.exists() else ""
    if place:
        text = text.partition("\n")[2]
    elif re.search(r"^resource ", text, re.MULTILINE):
        before = ""
    if path.name.endswith("_test.toml"):
        before = ""
    encoding = place["encoding"] if place and place["encoding"] else "utf-8"
    after = patched(before, text) if language == "diff" else f"{before}\n{text}"
    path.write_bytes(after.encode(encoding))


def patched(before: str, diff: str) -> str:
    """Apply a diff without line numbers, each of whose lines with `-` or a space stands in the text once."""
    lines = before.splitlines()
    position = len(lines)
    for sign, line in ((line[0], line[1:]) for line in diff.splitlines()):
        if sign == "+":
            lines.insert(position, line)
            position += 1
        else:
            assert lines.count(line) == 1
            position = lines.index(line) + (sign == " ")
            if sign == "-":
                lines.remove(line)
    return "\n".join(lines) + "\n"


def findings(folder: Path, example: Example) -> list[Finding]:
    if example.rule in NEEDS_CAST:
        check = findings_of if any(text.startswith(BASE_FILE) for _language, text in example.fences) else pack_findings
        return check(folder / "policies", folder / "reports")
    found, _engine = lint(PolicySource.read(folder / "policies", folder / "reports" / "policies"))
    return found


def test_every_rule_is_explained_once_and_nothing_else_is() -> None:
    assert sorted(heading for heading, _text in sections()) == sorted(RuleId)


def test_every_explanation_is_one_to_three_sentences() -> None:
    for heading, text in sections():
        explanation = text.partition("Bad:")[0].strip()
        assert 1 <= len(re.findall(r"\.(?:\s|$)", explanation)) <= 3, heading


@pytest.mark.parametrize(
    "example",
    [pytest.param(one, id=str(one), marks=[pytest.mark.slow] * (one.rule in NEEDS_CAST)) for one in EXAMPLES],
)
def test_an_example_breaks_exactly_its_rule_or_none(folder: Path, example: Example) -> None:
    assert example.fences
    for language, text in example.fences:
        apply(folder, language, text)
    found = findings(folder, example)
    assert {finding.rule for finding in found} == ({RuleId(example.rule)} if example.is_bad else set()), found
    for finding in found:
        assert is_well_formed(finding), finding


def is_well_formed(finding: Finding) -> bool:
    """Return whether the message is one sentence, and whether the place exists."""
    # oso writes its own sentences.
    is_ours = finding.rule not in (RuleId.POLAR_ERROR, RuleId.POLAR_WARNING)
    prose = re.sub(r"`[^`]*`", "X", finding.message)
    is_sentence = bool(re.fullmatch(r"[A-Za-z\"\[][^\n]*[^\s.][.?]", prose)) and not re.search(r"\. |  ", prose)
    is_place = (finding.line > 0) == (finding.column > 0)
    return is_place and (is_sentence or not is_ours)
