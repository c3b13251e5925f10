"""What the portal under test runs on, and how a test changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from app.authz.engine.source import PolicySource, policy_folders
from app.authz.information.cache import DirectoryView
from app.authz.lint.findings import Finding
from app.authz.lint.linter import lint
from app.authz.lint.policy_check import check_pack, check_policy
from app.kernel import database as kernel
from app.kernel.rate_limit import TokenBuckets
from app.runtime import EXTENSION, Runtime, current, is_in_use, use

portals: list[Flask] = []
"""Those that run on what the test says, from one test to the next."""


def run_on(runtime: Runtime) -> None:
    """Have the process and the portal under test run on `runtime`."""
    use(runtime)
    for portal in portals:
        portal.extensions[EXTENSION] = runtime


def change(**changes: Any) -> None:
    """Change parts of what is run on: `engine`, `decision_log`, `database` and so on."""
    if not is_in_use():
        kernel.bind("sqlite:///:memory:")
    run_on(replace(current(), **changes))


def change_settings(**changes: Any) -> None:
    """Change settings by name."""
    settings = replace(current().settings, **changes)
    change(settings=settings, token_buckets=TokenBuckets(settings.rate_limit))


def forget_facts() -> None:
    """Cache nothing from before: what a test writes down itself, without an event, no process notices."""
    current().view.close()
    change(view=DirectoryView(current().settings.cache_people))


@contextmanager
def restored() -> Iterator[Runtime]:
    """Run on what was run on before, whatever the block changes."""
    change()
    before = current()
    try:
        yield before
    finally:
        run_on(before)


def end(*ended: Flask) -> None:
    """End portals that ran besides the one under test: their threads, and their connections."""
    with restored():
        for portal in ended:
            runtime: Runtime = portal.extensions[EXTENSION]
            runtime.decision_log.close()
            runtime.view.close()
            use(runtime)
            kernel.release()


def findings_of(policies: Path, pack: Path) -> list[Finding]:
    """Check a policy and a pack on top of it in this process, which takes half of the time of one of its own."""
    with _unbound():
        return check_policy(policies, pack)


def pack_findings(policies: Path, pack: Path) -> list[Finding]:
    """Check a pack and the rules that it adds to a policy; without the tables of that, which take most of the time."""
    source = PolicySource.read(*policy_folders(policies, pack))
    findings, engine = lint(source)
    if engine is None:
        return findings
    with _unbound():
        return findings + check_pack(engine, pack, engine.permissions.keys() - source.permissions(base_only=True))


@contextmanager
def _unbound() -> Iterator[None]:
    """Run what binds its process to a database of its own."""
    bound = kernel.database.obj
    try:
        yield
    finally:
        kernel.database.initialize(bound)
