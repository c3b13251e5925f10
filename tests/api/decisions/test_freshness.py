"""A change is in the very next answer, whichever process gives it."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from app.accounts.models import Person
from app.audit.operations import record
from app.audit.queries import revision
from app.config import ROOT, Settings
from app.kernel.database import changing, connected
from app.memberships.models import Membership
from app.memberships.operations import RoleGiven, change_roles
from app.organisations.models import Organisation
from app.services.models import Role
from app.vocabulary import EventName, MembershipState, OrganisationState, PersonState
from tests.api.conftest import KEY, Ask, question
from tests.conftest import ON_POSTGRESQL

_OTHER_PROCESS = """
import json, sys
from pathlib import Path
from app.authz.engine.engine import Engine
from app.config import Settings
from app.factory import create_app

data_dir, url, key = sys.argv[1:]
settings = Settings(development=True, data_dir=Path(data_dir), database_url=url, secret_key="s" * 32)
app = create_app(settings, Engine.load(*settings.policy_folders))
for line in sys.stdin:
    answer = app.test_client().post("/authorize", json=json.loads(line), headers={"Authorization": f"Bearer {key}"})
    print(json.dumps(answer.json), flush=True)
"""

# They wait for other processes.
pytestmark = pytest.mark.slow

TEACHER = "submit-for-assessment:teacher"


def known() -> dict[str, int]:
    """Return the options of somebody who knows of the newest change. On SQLite they make no difference."""
    return {"at_least_revision": revision()}


class Unhurried(io.BytesIO):
    """A body that is sent in its own time: the person in it is suspended before it comes."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the body, after the change."""
        thread = threading.Thread(target=self._suspend)
        thread.start()
        thread.join()
        return super().read(size)

    @staticmethod
    def _suspend() -> None:
        with connected(), changing():
            Person.update(state=PersonState.SUSPENDED).where(Person.public_id == "thomas-reed").execute()
            record(EventName.DETAILS_CHANGED, by="operator", subject="person:thomas-reed")


@pytest.mark.skipif(ON_POSTGRESQL, reason="a notification takes a moment")
def test_what_changes_while_a_question_is_being_sent_is_in_its_answer(app: Flask, ask: Ask) -> None:
    assert ask("thomas-reed").json["decision"] is True  # type: ignore[index]
    body = json.dumps(question("thomas-reed")).encode()
    answer = app.test_client().post(
        "/authorize",
        input_stream=Unhurried(body),
        content_length=len(body),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    assert answer.json is not None
    assert (answer.json["decision"], answer.json["context"]["reason"]["code"]) == (False, "person_not_active")
    assert answer.json["context"]["revision"] == revision()


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
