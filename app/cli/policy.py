"""`tessera policy`: the rules."""

import os
from dataclasses import asdict
from pathlib import Path

import click

from app.cli.checking import findings_of
from app.cli.running import answer, as_json, examples
from app.config import ROOT


@click.group()
def policy() -> None:
    """The rules that decide."""


@policy.command(epilog=examples("tessera policy check", "tessera policy check drafts/policies --json"))
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_json
@click.pass_context
def check(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """Check the policy in FOLDER: that it loads, says what it seems to say, and that its tables hold for the cast.

    Without FOLDER, the policy that a server would use (POLICIES_DIR, or policies/). Ends with 1 if anything is found.
    """
    folder = folder or Path(os.environ.get("POLICIES_DIR") or ROOT / "policies")
    findings = findings_of(folder)
    lines = [f"{folder / finding.file}:{finding.line}: {finding.sentence}" for finding in findings]
    answer(
        "\n".join(lines) or f"{folder}: nothing found.",
        {"folder": str(folder), "findings": [asdict(finding) for finding in findings]},
        for_program=as_json,
    )
    ctx.exit(1 if findings else 0)
