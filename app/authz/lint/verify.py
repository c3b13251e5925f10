"""Verifies a policy before it decides anything: the one way to an engine that serves.

The check runs in a process of its own. Rules that do not end are stopped with it, and the databases that it binds stay
out of this process.
"""

import hashlib
import json
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.engine.source import PolicySource, policy_folders
from app.authz.lint.findings import Finding, PolicyRejectedError, RuleId
from app.config import ROOT, Settings
from app.seeding.fixtures import FIXTURES

MARKER = "policy-checked"
"""The file in the data folder that says which policy was checked."""

_LIMIT_SECONDS = 30
"""How much processor time a check may take. Two seconds are usual, however long they last on a busy machine."""
_LONGEST_SECONDS = 600
"""How long a check may last, whatever it waits for."""


def verify(policies: Path, pack: Path | None = None, *, marker: Path | None = None) -> Engine:
    """Return the engine of the policy in the folder `policies`, extended by `pack`, if nothing is wrong with it.

    A policy that passes is noted in the file `marker`, and is not checked again until it or the code changes.

    Raises `PolicyRejectedError` with all findings, and `PolicyError` when the check itself cannot finish.
    """
    digest = _digest(policies, pack)
    source = PolicySource.read(*policy_folders(policies, pack))
    if marker is None or not marker.is_file() or marker.read_text() != digest:
        findings = _check_in_subprocess(policies, pack)
        if findings:
            raise PolicyRejectedError(findings)
        # What was read here and what was checked there have to be the same.
        if _digest(policies, pack) != digest:
            raise PolicyError("The policy was changed while it was checked; try again.")
        if marker is not None:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.write_text(digest)
    return Engine(source)


def verify_settings(settings: Settings) -> Engine:
    """Return the engine of the policy that a server with these settings decides by. Raises as `verify` does."""
    return verify(settings.policies_dir, settings.pack_dir, marker=settings.data_dir / MARKER)


def _check_in_subprocess(policies: Path, pack: Path | None) -> list[Finding]:
    folders = [str(folder.absolute()) for folder in (policies, pack) if folder is not None]
    command = [sys.executable, "-P", "-m", "app.authz.lint", str(_LIMIT_SECONDS), *folders]
    try:
        checked = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise PolicyError(f"The check of the policy took longer than {_LONGEST_SECONDS // 60} minutes.") from None
    except subprocess.CalledProcessError as error:
        if error.returncode == -signal.SIGXCPU:
            raise PolicyError(
                f"The check of the policy took more than {_LIMIT_SECONDS} seconds of a processor."
            ) from None
        reason = error.stderr.strip().rpartition("\n")[2]
        raise PolicyError(f"The check of the policy failed: {reason or 'the process was killed'}") from error
    return [Finding(**{**found, "rule": RuleId(found["rule"])}) for found in json.loads(checked.stdout)]


def _digest(policies: Path, pack: Path | None) -> str:
    """Return a hash of everything that the check depends on: policy, pack, cast, code, Python and oso."""
    digest = hashlib.sha256(f"{sys.version} {version('oso')}".encode())
    pack_folders = () if pack is None else (pack / "policies", pack / "fixtures")
    for folder in (policies, FIXTURES, *pack_folders):
        for path in sorted(folder.rglob("*")):
            # A file that is not read is a finding because of its name alone.
            _add(digest, folder, path, has_content=path.suffix in {".polar", ".toml"} and path.is_file())
    # All of the code: a list of the modules that findings depend on would soon be incomplete.
    for path in sorted((ROOT / "app").rglob("*.py")):
        _add(digest, ROOT, path, has_content=True)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Path, path: Path, *, has_content: bool) -> None:
    content = path.read_bytes() if has_content else b""
    name = str(path.relative_to(folder))
    digest.update(f"{name} {len(content)} ".encode("utf-8", "surrogateescape") + content)
