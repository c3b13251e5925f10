"""The check of a whole policy: its rules, its decision tables, and a pack that extends it.

A pack is a folder with `policies/*.polar`, with decision tables beside them, and `fixtures/*.toml`, which
describe what the tables are about. The base policy must do what its own tables say with the rules of the pack too: a
pack grants nothing of the base policy.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from app.authz.engine.engine import Engine
from app.authz.engine.source import PolicySource, policy_folders
from app.authz.lint.decision_tables import run_tables
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.linter import lint
from app.kernel.database import bind, connected
from app.kernel.schema import migrate
from app.seeding.fixtures import PACK_FILES, FixtureError, read_pack, unread
from app.seeding.loader import load_cast, load_pack
from app.vocabulary import DIRECTORY_KINDS


def check_policy(policies: Path, pack: Path | None = None) -> list[Finding]:
    """Return everything that is wrong with the policy in `policies`, and with `pack`.

    Binds this process to in-memory databases with the cast, so it is meant for a process that does nothing else.
    Raises PolicyError if there is no such folder.
    """
    source = PolicySource.read(*policy_folders(policies, pack))
    findings, engine = lint(source)
    findings += _check_rules_folder(policies)
    if engine is None:
        return findings
    base_kinds = source.permissions(base_only=True).keys()
    bind("sqlite:///:memory:")
    with connected():
        migrate()
        load_cast()
        findings += run_tables(engine, policies, base_kinds)
    return findings if pack is None else findings + check_pack(engine, pack, engine.permissions.keys() - base_kinds)


def check_pack(engine: Engine, pack: Path, kinds: set[str]) -> list[Finding]:
    """Return everything that is wrong with the files of `pack`, whose rules declare the types `kinds` in `engine`.

    Binds this process to an in-memory database with what the pack is about.
    """
    rules, fixtures = pack / "policies", pack / "fixtures"
    findings = [*_check_files(rules, fixtures), *_check_declared(engine, fixtures)]
    bind("sqlite:///:memory:")
    with connected():
        migrate()
        try:
            load_pack(fixtures)
        except FixtureError as error:
            return findings if unread(fixtures, PACK_FILES) else [*findings, _fixture_finding(error)]
        return findings + run_tables(engine, rules, kinds)


def _check_rules_folder(rules: Path) -> Iterator[Finding]:
    """Yield the files and folders beside rules that are not read because of their names."""
    read = [path.name for pattern in ("*.polar", "*_test.toml") for path in rules.glob(pattern) if path.is_file()]
    for path in unread(rules, read):
        message = "The file is not read; rules are in *.polar, and their decision tables in *_test.toml."
        yield Finding(RuleId.UNREAD_FILE, path.name, 0, 0, message)


def _check_files(rules: Path, fixtures: Path) -> Iterator[Finding]:
    """Yield the files of a pack that are not read because of their names."""
    yield from _check_rules_folder(rules)
    for path in unread(rules.parent, (rules.name, fixtures.name)):
        message = "This is not read; a pack has its rules in policies/ and its fixtures in fixtures/."
        yield Finding(RuleId.UNREAD_FILE, path.name, 0, 0, message)
    for path in unread(fixtures, PACK_FILES):
        message = f"The file is not read; fixtures are in {', '.join(PACK_FILES)}."
        yield Finding(RuleId.UNREAD_FILE, path.name, 0, 0, message)


def _check_declared(engine: Engine, fixtures: Path) -> Iterator[Finding]:
    """Yield the types that the fixtures name and that no resource block declares."""
    declared = engine.declared_kinds
    try:
        described = read_pack(fixtures)
    except FixtureError:
        # Loading the fixtures reports this.
        return
    for entry in described["record"]:
        if entry["type"] not in declared:
            yield _undeclared("records.toml", entry.line, entry["type"])
    for entry in described["client"]:
        for kind in entry["kinds"]:
            if kind not in declared and kind not in DIRECTORY_KINDS:
                yield _undeclared("clients.toml", entry.line, kind)


def _undeclared(file: str, line: int, kind: str) -> Finding:
    return Finding(RuleId.UNKNOWN_TYPE, file, line, 1, f"No resource block declares the type {kind}.")


def _fixture_finding(error: FixtureError) -> Finding:
    match error.__cause__:
        case tomllib.TOMLDecodeError():
            rule = RuleId.TOML_SYNTAX
        case UnicodeDecodeError() | OSError():
            rule = RuleId.UNREADABLE_FILE
        case _:
            rule = RuleId.INVALID_FIXTURE
    return Finding(rule, error.file, error.line, 1 if error.line else 0, error.sentence)
