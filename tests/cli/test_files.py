"""The files of SQLite before and after a portal: damaged ones are not served, and a clean stop leaves one each."""

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ON_POSTGRESQL
from tests.machine import Machine
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(ON_POSTGRESQL, reason="files of SQLite")]


def test_a_clean_stop_leaves_one_file_that_can_be_copied(machine: Machine, tmp_path: Path) -> None:
    portal, _said = machine.serve()
    for number in range(3):
        words = ("person", "rename", "thomas-reed", f"Thomas {number}")
        assert machine.start(*words).wait(60) == 0
        assert machine.allows("thomas-reed")
    portal.send_signal(signal.SIGTERM)
    assert portal.wait(60) == 0
    for name in ("tessera.db", "decisions/decisions.db"):
        assert not [path for path in tmp_path.glob(f"{name}-wal") if path.stat().st_size]
    copy = shutil.copyfile(tmp_path / "tessera.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("select name from person where public_id = 'thomas-reed'").fetchall()
    assert rows == [("Thomas 2",)]
    with closing(sqlite3.connect(tmp_path / "decisions" / "decisions.db")) as connection:
        ((count,),) = connection.execute("select count(*) from decision_batch").fetchall()
    assert count


def test_a_damaged_database_is_not_served(machine: Machine, tmp_path: Path) -> None:
    assert machine.start("demo").wait(60) == 0
    until((tmp_path / "tessera.db").exists)
    with (tmp_path / "tessera.db").open("r+b") as file:
        file.seek(30 * 4096)
        file.write(b"x" * 3 * 4096)
    [line] = machine.refuses_to_serve()
    assert "is damaged" in line
    assert "tessera restore FILE" in line
