"""The tables of the database: made by migrations alone, whoever comes first, and never behind the back of a release."""

import json
import re
import subprocess
import sys
from pkgutil import iter_modules
from typing import Any

import pytest
from playhouse.schema_diff import diff_models

import app
from app.kernel import database as kernel
from app.kernel.database import BaseModel, connected
from app.kernel.errors import ProblemError
from app.kernel.schema import MIGRATIONS, later_migrations, migrate, pending_migrations, refuse_later_schema
from tests.conftest import ON_POSTGRESQL

MIGRATE = """
import json, sys
from app.kernel import database, schema
print("ready", flush=True)
sys.stdin.readline()
database.bind(sys.argv[1])
print(json.dumps(schema.migrate()))
"""


def models() -> list[type[BaseModel]]:
    for room in iter_modules(app.__path__, "app."):
        if room.ispkg:
            for module in iter_modules([f"{app.__path__[0]}/{room.name.removeprefix('app.')}"], f"{room.name}."):
                if module.name.endswith(".models"):
                    __import__(module.name)
    return BaseModel.__subclasses__()


def test_the_migrations_make_the_tables_of_the_models(database: None) -> None:
    assert len(models()) > 10
    assert str(diff_models(kernel.database.obj, models()) or "") == ""


@pytest.mark.skipif(ON_POSTGRESQL, reason="one database is enough to compare what was written down")
def test_the_migrated_columns_are_of_the_kind_that_the_models_say(database: None) -> None:
    fresh = kernel.open_database("sqlite:///:memory:")
    with fresh.connection_context(), fresh.bind_ctx(models()):
        fresh.create_tables(models())
        meant = {table: columns(fresh, table) for table in fresh.get_tables()}
    assert {table: columns(kernel.database.obj, table) for table in meant} == meant


def columns(database: Any, table: str) -> list[Any]:
    """Return what the columns of a table are, but for the lengths of texts, which SQLite does not heed."""
    return [re.sub(r"\(\d+\)", "", str(column)) for column in sorted(database.get_columns(table))]


@pytest.mark.slow
def test_of_three_that_start_at_once_one_migrates(database_url: str) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [starter.stdout and starter.stdout.readline() for starter in starters] == ["ready\n"] * 3
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("go\n")
        starter.stdin.flush()
    applied = [json.loads(starter.communicate(timeout=60)[0]) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert sorted(len(names) for names in applied)[:2] == [0, 0]
    assert len(max(applied, key=len)) == len(list(MIGRATIONS.glob("0*.py")))


def test_a_database_says_which_migrations_it_lacks(database_url: str) -> None:
    kernel.bind(database_url)
    with connected():
        assert pending_migrations()[0] == "0001_the_house"
        migrate()
        assert pending_migrations() == []
    kernel.release()


def applied_later(*names: str) -> None:
    """Write down what a later release would have applied."""
    for name in names:
        kernel.database.execute_sql(f"insert into schema_migration (name, applied) values ('{name}', '2030-01-01')")


def test_a_database_that_only_got_more_is_served(database: None) -> None:
    applied_later("9001_more")
    refuse_later_schema()
    assert migrate() == []
    assert (later_migrations(), pending_migrations()) == (["9001_more"], [])


def test_a_database_that_a_later_release_took_something_from_is_refused(database: None) -> None:
    applied_later("9001_more", "9002_contract_less")
    for refuses in (refuse_later_schema, migrate):
        with pytest.raises(ProblemError, match="9002_contract_less"):
            refuses()
