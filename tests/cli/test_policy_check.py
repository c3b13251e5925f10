"""`tessera policy check`, and that a policy with findings is not served."""

import dataclasses
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from app.authz.engine import source
from app.authz.engine.errors import PolicyError
from app.authz.lint import verify as verification
from app.authz.lint.findings import Finding, PolicyRejectedError, RuleId
from app.authz.lint.verify import verify_settings
from app.authz.polar.parser import parse
from app.authz.polar.syntax import PolarFile
from app.config import ROOT, Settings
from app.factory import create_app
from app.vocabulary import PERMISSIONS
from tests.cli.conftest import CommandLine
from tests.machine import below
from tests.waiting import until

# Each check is a process of its own, with a database of its own.
pytestmark = [pytest.mark.slow, pytest.mark.one_database]


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


def test_the_exercise_of_the_readme_comes_out_as_it_says(tessera: CommandLine, folder: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    exercise = re.search(
        r"Open `policies/(\S+)` and delete the line `(.+?)`.*?```\n +policies/(.+?)\n", readme, re.DOTALL
    )
    assert exercise is not None
    path = folder / exercise[1]
    lines = path.read_text().splitlines(keepends=True)
    assert [line.strip() for line in lines].count(exercise[2]) == 1
    path.write_text("".join(line for line in lines if line.strip() != exercise[2]))
    assert tessera("policy", "check", str(folder)).stdout.splitlines()[0] == f"{folder}/{exercise[3]}"


MISTAKES = [
    ("service.polar", "service.state =", "service.stat =", RuleId.UNKNOWN_FIELD, "stat ="),
    ("person.polar", "has_role(", "has_roel(", RuleId.UNUSED_RULE, "has_roel("),
    (
        "organisation_test.toml",
        'thomas-reed = ["act_in", "read"]',
        'thomas-reed = ["act_in"]',
        RuleId.TABLE_DIFFERS,
        "thomas-reed =",
    ),
    (
        "organisation_test.toml",
        'iris-bell = ["act_in", "read"]',
        'iris-bell = ["act_in", "list_people", "read"]',
        RuleId.TABLE_DIFFERS,
        "iris-bell =",
    ),
]


def test_every_mistake_is_found_at_its_place(tessera: CommandLine, folder: Path) -> None:
    for file, old, new, _rule, _at in MISTAKES:
        replace(folder / file, old, new)
    done = tessera("policy", "check", str(folder))
    assert (done.exit_code, done.stderr) == (1, "")
    places = [line.split(": ")[:2] for line in done.stdout.splitlines()]
    for file, _old, new, rule, at in MISTAKES:
        line = line_of(folder / file, new)
        column = (folder / file).read_text().splitlines()[line - 1].index(at) + 1
        assert [f"{folder / file}:{line}:{column}", rule] in places


def test_what_is_not_polar_is_found_and_reported_to_programs(tessera: CommandLine, folder: Path) -> None:
    path = folder / "service.polar"
    replace(path, "resource Service {", "resource Service")
    done = tessera("policy", "check", "--json", env={"POLICIES_DIR": str(folder)})
    assert (done.exit_code, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    [found] = report["findings"]
    assert report["folder"] == str(folder)
    assert list(found) == ["rule", "file", "line", "column", "message"]
    assert found | {"message": ""} == {
        "rule": "polar-syntax",
        "file": path.name,
        "line": line_of(path, "permissions ="),
        "column": 3,
        "message": "",
    }


def test_rules_that_run_away_are_cut_off(tessera: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_LIMIT_SECONDS", 3)
    with (folder / "service.polar").open("a") as file:
        file.write(
            '\nhas_permission(person: Person, "read", _service: Service) if endless(person);\n'
            'endless(person: Person) if endless(person) and person.state = "active";\n'
        )
    assert (
        tessera.refuses("policy", "check", str(folder))
        == "The check of the policy took more than 3 seconds of a processor."
    )


def test_a_check_that_waits_for_a_busy_machine_is_not_cut_off(
    tessera: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_LIMIT_SECONDS", 5)

    def hold_up() -> None:
        until(lambda: checks(os.getpid()))
        [check] = checks(os.getpid())
        os.kill(check, signal.SIGSTOP)
        # Longer than it may compute; it is what is tested.
        time.sleep(5.5)
        os.kill(check, signal.SIGCONT)

    thread = threading.Thread(target=hold_up)
    thread.start()
    said = tessera.does("policy", "check", str(folder))
    thread.join()
    assert said == f"{folder}: nothing found.\n"


def checks(pid: int) -> list[int]:
    """Return the processes below `pid` that check a policy."""
    return [child for child in below(pid) if "\0app.authz.lint\0" in Path(f"/proc/{child}/cmdline").read_text()]


def test_a_folder_that_is_not_there_is_refused(tessera: CommandLine, tmp_path: Path) -> None:
    done = tessera("policy", "check", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert "Directory" in done.stderr.splitlines()[-1]
    sentence = f"POLICIES_DIR names {tmp_path / 'none'}, which is not a folder."
    assert tessera.refuses("policy", "check", env={"POLICIES_DIR": str(tmp_path / "none")}) == sentence


def is_rejected(settings: Settings) -> bool:
    try:
        verify_settings(settings)
    except PolicyRejectedError as rejected:
        return bool(rejected.findings)
    return False


def test_a_policy_is_checked_again_when_it_has_changed(settings: Settings, folder: Path) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    assert not is_rejected(served)
    replace(folder / "service.polar", "resource Service {", "resource Service")
    assert is_rejected(served)
    # Only a policy without findings is remembered.
    assert is_rejected(served)


def test_a_policy_that_was_checked_is_not_checked_again(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    assert not is_rejected(served)
    monkeypatch.setattr(verification, "_LIMIT_SECONDS", 0)
    assert not is_rejected(served)
    (folder / "service.polar").write_text((folder / "service.polar").read_text() + "# changed\n")
    with pytest.raises(PolicyError, match="0 seconds"):
        verify_settings(served)


def test_a_policy_is_checked_again_by_code_that_has_changed(
    settings: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy, because any file of the code counts, in whatever folder it is.
    code = tmp_path / "code"
    shutil.copytree(ROOT / "app", code / "app", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(verification, "ROOT", code)
    found = iter([[], [Finding(RuleId.CUT, "service.polar", 1, 1, "Found by the changed code.")]])
    monkeypatch.setattr(verification, "_check_in_subprocess", lambda *_folders: next(found))
    served = dataclasses.replace(settings, policies_dir=folder)
    assert not is_rejected(served)
    assert not is_rejected(served)
    with (code / "app/kernel/clock.py").open("a") as file:
        file.write("\n# changed\n")
    assert is_rejected(served)


def test_a_policy_is_checked_again_when_a_subfolder_has_changed(settings: Settings, folder: Path) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    draft = folder / "drafts" / "service.polar"
    draft.parent.mkdir()
    draft.write_text("# a draft\n")
    before = verification._digest(served.policies_dir, None)
    draft.write_text("# another\n")
    assert verification._digest(served.policies_dir, None) != before


def test_each_file_is_parsed_once_when_a_server_starts(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = dataclasses.replace(settings, policies_dir=folder)
    parsed: list[str] = []

    def counting(name: str, text: str) -> PolarFile:
        parsed.append(name)
        return parse(name, text)

    monkeypatch.setattr(source, "parse", counting)
    engine = verify_settings(served)
    assert parsed == sorted(path.name for path in folder.glob("*.polar"))
    assert engine.permissions.keys() == PERMISSIONS.keys()


def test_an_application_without_an_engine_verifies_its_policy(settings: Settings, folder: Path) -> None:
    replace(folder / "portal_test.toml", "guest = ", "sam-porter = ")
    with pytest.raises(PolicyRejectedError) as rejected:
        create_app(dataclasses.replace(settings, policies_dir=folder))
    assert {finding.file for finding in rejected.value.findings} == {"portal_test.toml"}


def test_a_check_that_fails_is_an_error_and_no_permission_to_serve(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification.sys, "executable", "false")
    with pytest.raises(PolicyError):
        verify_settings(settings)
    assert not (settings.data_dir / verification.MARKER).exists()
