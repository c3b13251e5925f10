"""A change is in the very next answer, whichever process gives it."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from flask import Flask

from app.audit.operations import record
from app.audit.queries import revision
from app.config import ROOT, Settings
from app.grants.operations import RoleGiven, change_roles
from app.kernel.database import changing
from app.organisations.models import Membership, Organisation
from app.people.models import Person
from app.services.models import Role
from app.vocabulary import EventName, MembershipState, OrganisationState, PersonState
from tests.api.conftest import KEY, Ask, question

_OTHER_PROCESS = """
import json, sys
from pathlib import Path
from app.config import Settings
from app.factory import create_app

data_dir, url, key = sys.argv[1:]
app = create_app(Settings(development=True, data_dir=Path(data_dir), database_url=url, secret_key="s" * 32))
for line in sys.stdin:
    answer = app.test_client().post("/authorize", json=json.loads(line), headers={"Authorization": f"Bearer {key}"})
    print(json.dumps(answer.json), flush=True)
"""

pytestmark = pytest.mark.usefixtures("both_doors")

TEACHER = "submit-for-assessment:teacher"


def known() -> dict[str, int]:
    """Return the options of somebody who knows of the newest change. On SQLite they make no difference."""
    return {"at_least_revision": revision()}


class OtherProcess:
    """A second portal on the same database, which answers one question at a time."""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OTHER_PROCESS, str(settings.data_dir), settings.database_url, KEY],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def may(self, person: str) -> bool:
        """Return its decision on whether `person` may open *Submit for assessment*."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question(person, options=known())) + "\n")
        self._process.stdin.flush()
        decision = json.loads(self._process.stdout.readline())["decision"]
        assert isinstance(decision, bool)
        return decision

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@pytest.fixture
def other_process(app: Flask, settings: Settings) -> Iterator[OtherProcess]:
    process = OtherProcess(settings)
    yield process
    process.stop()


def test_a_change_of_roles_is_in_the_next_answer_of_every_process(ask: Ask, other_process: OtherProcess) -> None:
    def both() -> tuple[bool, bool]:
        return ask("thomas-reed", options=known()).json["decision"], other_process.may("thomas-reed")

    membership = Membership.get(public_id="thomas-reed@northfield")
    role = Role.get(slug=TEACHER)
    assert both() == (True, True)
    for _ in range(3):
        change_roles(membership, give=[], take=[role], by=None)
        assert both() == (False, False)
        change_roles(membership, give=[RoleGiven(role)], take=[], by=None)
        assert both() == (True, True)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (lambda: Person.get(public_id="thomas-reed"), PersonState.SUSPENDED),
        (lambda: Membership.get(public_id="thomas-reed@northfield"), MembershipState.SUSPENDED),
        (lambda: Organisation.get(public_id="northfield"), OrganisationState.CLOSED),
    ],
    ids=["person", "membership", "organisation"],
)
def test_who_falls_out_of_good_standing_loses_the_next_answer(ask: Ask, row: object, state: str) -> None:
    assert ask("thomas-reed", options=known()).json["decision"] is True
    fallen = row()  # type: ignore[operator]
    fallen.state = state
    with changing():
        fallen.save()
        record(EventName.DETAILS_CHANGED, by="operator", subject=fallen.reference)
    assert ask("thomas-reed", options=known()).json["decision"] is False
