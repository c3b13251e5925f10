"""Two portals can live in one process, each with a database, a policy and settings of its own."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app.authz.engine.engine import Engine
from app.config import ROOT, Settings
from app.factory import create_app
from app.kernel import database as kernel
from app.runtime import current
from tests.api.conftest import KEY, question
from tests.conftest import ON_POSTGRESQL
from tests.running import end, restored


def answers(portal: Flask) -> bool:
    answer = portal.test_client().post(
        "/authorize", json=question("olivia-marsh"), headers={"Authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 200, answer.text
    return bool(answer.json["decision"])


@pytest.mark.skipif(ON_POSTGRESQL, reason="the second database is a copy of a file")
def test_each_of_two_portals_has_its_own_database(app: Flask, settings: Settings, tmp_path: Path) -> None:
    kernel.database.execute_sql("pragma wal_checkpoint(truncate)")
    shutil.copyfile(tmp_path / "tessera.db", tmp_path / "other.db")
    with restored():
        first = create_app(settings, current().engine)
        second = create_app(replace(settings, database_url=f"sqlite:///{tmp_path / 'other.db'}"), current().engine)
        with kernel.connected():
            kernel.database.execute_sql("update person set state = 'suspended' where public_id = 'olivia-marsh'")
        assert [answers(first), answers(second)] == [True, False]
        assert [answers(first), answers(second)] == [True, False]
        end(first, second)


def test_each_of_two_portals_has_its_own_policy(app: Flask, settings: Settings, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    path = folder / "service.polar"
    path.write_text(path.read_text().replace("grant.in_force", "false = true and grant.in_force"))
    with restored():
        first = create_app(settings, current().engine)
        second = create_app(settings, Engine.load(folder))
        assert [answers(first), answers(second), answers(first)] == [True, False, True]
        end(first, second)
