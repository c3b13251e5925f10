"""`tessera policy`: the rules."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from app.authz.lint.findings import Finding, PolicyRejectedError
from app.authz.lint.verify import verify
from app.cli.base import answer, as_json, examples
from app.config import SettingError, Settings


@click.group()
def policy() -> None:
    """The rules that decide."""


@policy.command(
    epilog=examples(
        "tessera policy check",
        "tessera policy check drafts/policies --json",
        "tessera policy check --pack packs/mark-schemes",
    )
)
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pack", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A pack to lay on top.")
@as_json
@click.pass_context
def check(ctx: click.Context, folder: Path | None, pack: Path | None, as_json: bool) -> None:
    """Check the policy in FOLDER: lint its rules, and compare its decision tables with what it grants to the cast.

    A pack is a folder with rules (policies/*.polar) and what they are about (fixtures/*.toml); it may not change what
    the tables of FOLDER say. Without FOLDER, the policy that a server would use (POLICIES_DIR, or policies/). Ends with
    1 if there are findings. docs/policy-rules.md explains each rule.
    """
    folder = folder or Path(os.environ.get("POLICIES_DIR") or Settings.policies_dir)
    if not folder.is_dir():
        raise SettingError(f"POLICIES_DIR names {folder}, which is not a folder.")
    findings = _findings(folder, pack)
    lines = [finding.as_text(folder, pack) for finding in findings]
    answer(
        "\n".join(lines) or f"{folder if pack is None else pack}: nothing found.",
        {"folder": str(folder), "findings": [asdict(finding) for finding in findings]},
        for_program=as_json,
    )
    ctx.exit(1 if findings else 0)


def _findings(folder: Path, pack: Path | None) -> Sequence[Finding]:
    try:
        verify(folder, pack)
    except PolicyRejectedError as rejected:
        return rejected.findings
    return []
