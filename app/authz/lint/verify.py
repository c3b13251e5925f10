"""Checking a whole policy before it decides: its rules, its tables, and a pack that is laid on top of it.

A pack is a folder with `policies/*.polar`, which may stand beside their decision tables, and `fixtures/*.toml`, which
say what they are about. The shipped tables must hold for the shipped cast with the rules of the pack too: a pack opens
doors of its own and none of ours.
"""

from collections.abc import Iterator
from pathlib import Path

from app.authz.engine.engine import Engine
from app.authz.engine.sandbox import PolicyError
from app.authz.lint import linter
from app.authz.lint.decision_tables import run_tables, table_name
from app.authz.lint.linter import Finding
from app.authz.polar.names import declared_kinds
from app.kernel.database import bind, connected, migrate
from app.seeding.fixtures import FixtureError, read_pack, unread
from app.seeding.loader import load_cast, load_pack
from app.vocabulary import DIRECTORY_KINDS


def check_with_cast(folder: Path, pack: Path | None = None) -> list[Finding]:
    """Return everything that is wrong with the policy in `folder`, and with `pack`: load checks, fixtures, tables.

    Raises PolicyError if a file cannot be read at all. Binds this process to databases of its own that hold the cast
    alone, or what the pack is about; meant for a process that does nothing else.
    """
    rules = [] if pack is None else [path for path in (pack / "policies",) if path.is_dir()]
    findings = linter.check_folder(folder, *rules)
    try:
        engine = Engine.load(folder, *rules)
        own = Engine.load(folder).permissions if rules else engine.permissions
    except PolicyError:
        # The load checks have said why.
        return findings
    bind("sqlite:///:memory:")
    with connected():
        migrate()
        load_cast()
        findings += run_tables(engine, folder, own)
    return findings if pack is None else findings + _check_pack(engine, pack, frozenset(engine.permissions) - set(own))


def _check_pack(engine: Engine, pack: Path, kinds: frozenset[str]) -> list[Finding]:
    findings = [*_check_names(pack / "policies"), *_check_fixtures(engine, pack / "fixtures")]
    bind("sqlite:///:memory:")
    with connected():
        migrate()
        try:
            load_pack(pack / "fixtures")
        except FixtureError as error:
            return [*findings, Finding(error.file, error.line, error.sentence)]
        rules = pack / "policies"
        # Here a table is a help and no duty.
        return findings + run_tables(engine, rules, [kind for kind in kinds if (rules / table_name(kind)).exists()])


def _check_names(rules: Path) -> Iterator[Finding]:
    """Yield what is among the rules and would not be read as one."""
    read = [path.name for pattern in ("*.polar", "*_test.toml") for path in rules.glob(pattern) if path.is_file()]
    for path in unread(rules, read):
        yield Finding(path.name, 0, "Nobody reads this. Rules are in *.polar, and their tables in *_test.toml.")


def _check_fixtures(engine: Engine, folder: Path) -> Iterator[Finding]:
    """Yield each kind of thing that the fixtures name and no rule declares."""
    declared = declared_kinds(engine)
    try:
        described = read_pack(folder)
    except FixtureError:
        # Whoever loads it says so.
        return
    for entry in described["record"]:
        if entry["type"] not in declared:
            yield Finding("records.toml", entry.line, f"No rule declares the kind {entry['type']}.")
    for entry in described["client"]:
        for kind in entry["kinds"]:
            if kind not in declared and kind not in DIRECTORY_KINDS:
                yield Finding("clients.toml", entry.line, f"No rule declares the kind {kind}.")
