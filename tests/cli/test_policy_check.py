"""`tessera policy check`, and that nobody serves what it finds fault with."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest

from app.authz.lint.linter import Finding
from app.cli import policy_check
from app.cli.policy_check import check_before_serving
from app.config import ROOT, Settings
from tests.cli.conftest import CommandLine

# Each check is a process of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policies to spoil."""
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_nothing_is_found_in_the_shipped_policy(tessera: CommandLine) -> None:
    assert tessera.does("policy", "check") == f"{ROOT / 'policies'}: nothing found.\n"
    assert tessera.tells("policy", "check") == {"folder": str(ROOT / "policies"), "findings": []}


def test_what_the_readme_has_one_try_comes_out_as_it_says(tessera: CommandLine, folder: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    told = re.search(r"Open `policies/(\S+)` and delete the line `(.+?)`.*?```\n +policies/(.+?)\n", readme, re.DOTALL)
    assert told is not None
    path = folder / told[1]
    lines = path.read_text().splitlines(keepends=True)
    assert [line.strip() for line in lines].count(told[2]) == 1
    path.write_text("".join(line for line in lines if line.strip() != told[2]))
    assert tessera("policy", "check", str(folder)).stdout.splitlines()[0] == f"{folder}/{told[3]}"


SLIPS = [
    ("service.polar", "service.state =", "service.stat =", "service.stat: Service has no field stat."),
    ("person.polar", "has_role(", "has_roel(", "Nothing asks has_roel; is it misspelt?"),
    (
        "organisation_test.toml",
        'thomas-reed = ["act_in", "read"]',
        'thomas-reed = ["act_in"]',
        "thomas-reed may read northfield, and the table does not say so.",
    ),
    (
        "organisation_test.toml",
        'iris-bell = ["act_in", "read"]',
        'iris-bell = ["act_in", "list_people", "read"]',
        "iris-bell may not list_people northfield, and the table says that they may.",
    ),
]


def test_every_slip_is_found_with_file_and_line(tessera: CommandLine, folder: Path) -> None:
    for file, old, new, _sentence in SLIPS:
        replace(folder / file, old, new)
    done = tessera("policy", "check", str(folder))
    assert (done.exit_code, done.stderr) == (1, "")
    for file, _old, new, sentence in SLIPS:
        assert f"{folder / file}:{line_of(folder / file, new)}: {sentence}" in done.stdout.splitlines()


def test_what_is_no_polar_is_found_and_told_to_programs(tessera: CommandLine, folder: Path) -> None:
    path = folder / "service.polar"
    replace(path, "resource Service {", "resource Service")
    done = tessera("policy", "check", "--json", env={"POLICIES_DIR": str(folder)})
    assert (done.exit_code, done.stderr) == (1, "")
    line = line_of(path, "permissions =")
    sentence = "Found permissions where { was expected."
    assert json.loads(done.stdout) == {
        "folder": str(folder),
        "findings": [{"file": path.name, "line": line, "sentence": sentence}],
    }


def test_rules_that_run_away_are_cut_off(tessera: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_check, "_LIMIT_SECONDS", 3)
    with (folder / "service.polar").open("a") as file:
        file.write(
            '\nhas_permission(person: Person, "read", _service: Service) if endless(person);\n'
            'endless(person: Person) if endless(person) and person.state = "active";\n'
        )
    assert tessera.refuses("policy", "check", str(folder)) == "Checking took longer than 3 seconds and was stopped."


def test_a_folder_that_is_not_there_is_refused(tessera: CommandLine, tmp_path: Path) -> None:
    done = tessera("policy", "check", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert "Directory" in done.stderr.splitlines()[-1]
    sentence = f"POLICIES_DIR names {tmp_path / 'none'}, which is not a folder."
    assert tessera.refuses("policy", "check", env={"POLICIES_DIR": str(tmp_path / "none")}) == sentence


def test_a_policy_is_checked_again_when_it_has_changed(settings: Settings, folder: Path) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    assert check_before_serving(served) == []
    replace(folder / "service.polar", "resource Service {", "resource Service")
    findings = check_before_serving(served)
    assert findings
    # Only what was good is remembered.
    assert check_before_serving(served) == findings


def test_a_policy_is_checked_again_by_code_that_has_changed(
    settings: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy, because what is tried here is that any file of it counts, in whatever folder it lies.
    code = tmp_path / "code"
    shutil.copytree(ROOT / "app", code / "app", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(policy_check, "ROOT", code)
    found = iter([[], [Finding("service.polar", 1, "Found by the code of today.")]])
    monkeypatch.setattr(policy_check, "findings_of", lambda *_folders: next(found))
    served = dataclasses.replace(settings, policies_dir=folder)
    assert check_before_serving(served) == []
    assert check_before_serving(served) == []
    with (code / "app/kernel/clock.py").open("a") as file:
        file.write("\n# changed\n")
    assert check_before_serving(served) != []


def test_a_policy_is_checked_again_when_a_subfolder_has_changed(settings: Settings, folder: Path) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    draft = folder / "drafts" / "service.polar"
    draft.parent.mkdir()
    draft.write_text("# a draft\n")
    before = policy_check._digest(served.policies_dir, None)
    draft.write_text("# another\n")
    assert policy_check._digest(served.policies_dir, None) != before
