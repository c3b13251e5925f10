import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.audit.decision_log import DecisionLog
from app.kernel import clock
from app.vocabulary import Reason

# Each question is a process of its own.
pytestmark = pytest.mark.slow


def tessera(*words: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(folder), "DEVELOPMENT": "1"}
    command = [sys.executable, "-P", "-m", "app.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, check=False, text=True)


@pytest.fixture
def number(database: None) -> str:
    """The number of a decision that was given and kept."""
    log = DecisionLog(steps_of=lambda _policy, _leaf: [("state of the actor is “active”", "yes")])
    reason = Reason.ROLE_ENDED
    [_first, second] = log.write_all(
        clock.timestamp(),
        "client:training",
        42,
        [
            (person, "launch", "service:training", "", False, reason, "0123456789ab", 1_250_000, 0)
            for person in ("person:thomas-reed", "person:iris-bell")
        ],
    )
    log.close()
    return second


def test_a_decision_is_told_in_plain_words(number: str, database_url: str, tmp_path: Path) -> None:
    told = tessera("decision", number, url=database_url, folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[0] == "No. The last day of the person's role is over."
    assert "  about        person:iris-bell" in lines
    assert "  organisation any" in lines
    assert lines[1].endswith(" UTC, in 1.250 ms")
    assert lines[-2:] == ["What was looked at:", "  state of the actor is “active”: yes"]


def test_a_decision_is_told_to_programs(number: str, database_url: str, tmp_path: Path) -> None:
    told = json.loads(tessera("decision", number, "--json", url=database_url, folder=tmp_path).stdout)
    assert told.pop("at").endswith("+00:00")
    assert told == {
        "id": number,
        "client": "client:training",
        "subject": "person:iris-bell",
        "action": "launch",
        "resource": "service:training",
        "organisation": "",
        "allowed": False,
        "reason": "role_ended",
        "sentence": "The last day of the person's role is over.",
        "policy": "0123456789ab",
        "revision": 42,
        "milliseconds": 1.25,
        "steps": [["state of the actor is “active”", "yes"]],
    }


def test_a_decision_that_is_not_there_is_said_in_one_sentence(number: str, database_url: str, tmp_path: Path) -> None:
    told = tessera("decision", f"{number}0", url=database_url, folder=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (1, "", f"Error: There is no decision {number}0.\n")
