"""Checking a policy in a process of its own, so that rules that run away end with it."""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from app.authz.engine.engine import Engine
from app.authz.engine.sandbox import PolicyError
from app.authz.lint.linter import Finding
from app.config import ROOT, Settings
from app.seeding.fixtures import FIXTURES

_LIMIT_SECONDS = 30


def findings_of(folder: Path, pack: Path | None = None) -> list[Finding]:
    """Return everything that is wrong with the policy in `folder`: load checks first, then its decision tables.

    With a `pack`, its rules and fixtures are checked together with them. Raises `PolicyError` when the check itself
    cannot be finished.
    """
    folders = [str(one.absolute()) for one in (folder, pack) if one is not None]
    command = [sys.executable, "-P", "-m", "app.cli.policy_check", *folders]
    try:
        checked = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise PolicyError(f"Checking took longer than {_LIMIT_SECONDS} seconds and was stopped.") from None
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().rpartition("\n")[2]
        raise PolicyError(f"The check could not be finished: {why or 'it was killed'}") from error
    return [Finding(**finding) for finding in json.loads(checked.stdout)]


def check_before_serving(settings: Settings) -> list[Finding]:
    """Return what is wrong with the policy that a server would use; at once, if exactly this was found right before.

    Raises `PolicyError` when the check cannot be finished.
    """
    kept = settings.data_dir / "policy-checked"
    digest = _digest(settings.policies_dir, settings.pack_dir)
    if kept.is_file() and kept.read_text() == digest:
        return []
    findings = findings_of(settings.policies_dir, settings.pack_dir)
    if not findings:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(digest)
    return findings


def checked_policy(settings: Settings) -> Engine:
    """Return the policy that a server decides by, with its tables. Raises `PolicyError` for what is wrong with it."""
    for finding in check_before_serving(settings):
        raise PolicyError(finding.sentence, file=finding.file, line=finding.line)
    return Engine.load(*settings.policy_folders)


def written(finding: Finding, folder: Path, pack: Path | None) -> str:
    """Return a finding as a line that says where the file is."""
    places = [] if pack is None else [pack / "policies" / finding.file, pack / "fixtures" / finding.file]
    path = next((place for place in places if place.exists()), folder / finding.file)
    return f"{path}:{finding.line}: {finding.sentence}"


def _digest(policies: Path, pack: Path | None) -> str:
    """Return a name for exactly these rules, tables and people, judged by exactly this code and this oso."""
    digest = hashlib.sha256(f"{sys.version} {version('oso')}".encode())
    of_pack = () if pack is None else (pack / "policies", pack / "fixtures")
    for folder in (policies, FIXTURES, *of_pack):
        for path in sorted(folder.rglob("*")):
            # What nobody reads is found by its name.
            _add(digest, folder, path, has_content=path.suffix in {".polar", ".toml"} and path.is_file())
    # All of it: which module a finding depends on is nothing that anybody keeps a list of.
    for path in sorted((ROOT / "app").rglob("*.py")):
        _add(digest, ROOT, path, has_content=True)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Path, path: Path, *, has_content: bool) -> None:
    content = path.read_bytes() if has_content else b""
    name = str(path.relative_to(folder))
    digest.update(f"{name} {len(content)} ".encode("utf-8", "surrogateescape") + content)


def _check_here(folder: Path, pack: Path | None = None) -> None:
    from app.authz.lint.verify import check_with_cast

    try:
        findings = check_with_cast(folder, pack)
    except PolicyError as error:
        findings = [Finding(error.file or folder.name, error.line or 0, error.sentence)]
    json.dump([asdict(finding) for finding in findings], sys.stdout)


if __name__ == "__main__":
    _check_here(*map(Path, sys.argv[1:]))
