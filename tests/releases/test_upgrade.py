"""Moving to this release and back: the one before it works on its tables, and nothing that was stored is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from peewee import Database
from playhouse import migrations as runner

from app.kernel import database as kernel
from app.kernel.database import BaseModel
from app.kernel.schema import MIGRATIONS, migrate
from tests.conftest import ON_POSTGRESQL
from tests.journeys.portal import Portal
from tests.kernel.test_schema import models

KEY = "demo-key-submit-for-assessment"
PAGES_AND_CALLS = (
    "tests/api/test_records.py",
    "tests/console",
    "tests/manage/test_invitations.py",
    "tests/manage/test_roles.py",
    "tests/manage/test_twice.py",
    "tests/portal",
    "tests/signin",
)
"""Tests of the previous release that use every page and every call."""
DROPPED = {("0005_the_decision_log", "decision_record")}
"""What a migration has deleted, before it was decided that none ever does."""


@pytest.mark.slow
@pytest.mark.one_database
def test_the_previous_release_works_on_the_tables_of_this_one(previous_on_new_tables: Path, database: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *PAGES_AND_CALLS],
        cwd=previous_on_new_tables,
        env={**os.environ, "PYTHONPATH": str(previous_on_new_tables), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]


class PreviousPortal(Portal):
    """A portal of the previous release."""

    def __init__(self, code: Path, folder: Path, url: str | None) -> None:
        super().__init__(folder, url)
        self._code = code
        self._environ |= {"PYTHONPATH": str(code)}

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "app.cli", *words]


@contextmanager
def running(portal: Portal) -> Iterator[Portal]:
    portal.start()
    try:
        yield portal
    finally:
        portal.stop()


def may_launch(portal: Portal, person: str = "thomas-reed") -> bool:
    return portal.decides(KEY, person, "launch", "submit-for-assessment")[0]


def add(portal: Portal, name: str) -> str:
    words = ("person", "add", "--organisation", "90101", "--name", name, "--email", f"{name.lower()}@example.org")
    added: dict[str, Any] = portal.tessera(*words, "--role", "training:user", "--json")
    return str(added["public_id"])


@pytest.mark.slow
def test_machines_move_one_after_the_other_and_back(previous: Path, database_url: str, tmp_path: Path) -> None:
    url = database_url if ON_POSTGRESQL else None
    old, new = PreviousPortal(previous, tmp_path, url), Portal(tmp_path, url)
    with running(old):
        assert may_launch(old)
        add(old, "Before")
        # From here on, the tables are those of this release, and the previous one goes on.
        assert "Applied" in new.tessera("migrate")
        assert may_launch(old)
        add(old, "Meanwhile")
    with running(new):
        assert may_launch(new)
        add(new, "After")
        found = new.tessera("membership", "list", "--organisation", "90101", "--json")["found"]
        roles = {one["name"]: one["roles"] for one in found}
        assert roles["Before"] == roles["Meanwhile"] == roles["After"] == ["training:user"]
        assert new.tessera("decision", old.answered[0], "--json")["allowed"]
    with running(old):
        assert may_launch(old)
        add(old, "Back")
        assert old.tessera("decision", old.answered[0], "--json")["allowed"]


def _steps() -> list[str]:
    return sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))


@pytest.mark.parametrize("schema", _steps()[:-1])
def test_the_data_of_every_earlier_schema_survives(database_url: str, schema: str) -> None:
    kernel.bind(database_url)
    with kernel.connected():
        database = kernel.database.obj
        runner.Runner(database, str(MIGRATIONS)).up(schema)
        _fill(database)
        before = _rows(database)
        migrate()
        after = _rows(database)
        for table, rows in before.items():
            later = _steps()[_steps().index(schema) + 1 :]
            if any((step, table) in DROPPED for step in later):
                continue
            kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
            assert all(row in kept for row in rows), table
        for model in models():
            # Every column that this release reads is there, and holds what it can read.
            list(_selectable(model))
    kernel.release()


def _selectable(model: type[BaseModel]) -> Any:
    return model.select()


def _fill(database: Database) -> None:
    """Put a row into every table that has none."""
    tables = [table for table in database.get_tables() if table != "schema_migration"]
    waiting = [table for table in tables if not _count(database, table)]
    while waiting:
        ready = [table for table in waiting if not _needs(database, table) & (set(waiting) - {table})]
        for table in ready or waiting[:1]:
            _insert(database, table)
            waiting.remove(table)


def _needs(database: Database, table: str) -> set[str]:
    return {key.dest_table for key in database.get_foreign_keys(table)}


def _insert(database: Database, table: str) -> None:
    keys = {key.column: key for key in database.get_foreign_keys(table)}
    values = {}
    for column in database.get_columns(table):
        if column.name in keys:
            key = keys[column.name]
            found = database.execute_sql(f'select "{key.dest_column}" from "{key.dest_table}"').fetchone()
            values[column.name] = found[0] if found else None
        elif not column.primary_key or column.name != "id":
            values[column.name] = _value(table, column.name, column.data_type.lower())
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join([database.param] * len(values))
    database.execute_sql(f'insert into "{table}" ({names}) values ({marks})', list(values.values()))


STATES = {"organisation": "active", "person": "active", "service": "live", "membership": "active", "mail": "waiting"}


def _value(table: str, column: str, kind: str) -> Any:
    if "time" in kind:
        return datetime(2026, 5, 4, 9, tzinfo=UTC).replace(tzinfo=None)
    if "date" in kind:
        return datetime(2026, 5, 4, tzinfo=UTC).date()
    if "bool" in kind:
        return True
    if "json" in kind or column in {"kinds", "details", "properties", "steps", "person_types"}:
        return "[]"
    if "blob" in kind or "bytea" in kind:
        return b"x"
    if any(word in kind for word in ("int", "real", "double", "numeric")):
        return 1
    special = {"state": STATES.get(table, "x"), "name": "signed_in" if table == "event" else "x"}
    return special.get(column, "support" if (table, column) == ("staff_grant", "role") else "x")


def _count(database: Database, table: str) -> int:
    return int(database.execute_sql(f'select count(*) from "{table}"').fetchone()[0])


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for table in database.get_tables():
        if table != "schema_migration":
            cursor = database.execute_sql(f'select * from "{table}"')
            names = [column[0] for column in cursor.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found
