"""Taking and giving a role in one process, and asking another right after: whose answers are stale?"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from app.config import ROOT
from app.memberships.models import Membership
from app.memberships.operations import RoleGiven, change_roles
from app.services.models import Role

MEMBERSHIP, ROLE = "thomas-reed@northfield", "submit-for-assessment:teacher"

# The way that a request takes, but for the sockets.
_ASKED = """
import json, sys
from pathlib import Path
from werkzeug.test import Client
from app.authz.engine.engine import Engine
from app.config import Settings
from app.factory import create_app
from app.runtime import current

url, folder, blind = sys.argv[1:]
settings = Settings(development=True, data_dir=Path(folder), database_url=url, secret_key="s" * 32, rate_limit=0)
client = Client(create_app(settings, Engine.load(*settings.policy_folders)).wsgi_app)
headers = {"Authorization": "Bearer demo-key-submit-for-assessment"}
question = {
    "subject": {"type": "person", "id": "thomas-reed"},
    "action": {"name": "launch"},
    "resource": {"type": "service", "id": "submit-for-assessment"},
}
print("ready", flush=True)
for line in sys.stdin:
    asked = question | {"options": {"at_least_revision": int(line)}}
    print(json.dumps(client.post("/authorize", json=asked, headers=headers).json["decision"]), flush=True)
    if blind == "blind":
        current().view.freshness._watch.has_changed = lambda: False
"""


class Asked:
    """Another process, which is asked whether somebody may open a service."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.line()

    def line(self) -> Any:
        """Return the next line that the process says."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def allows(self, at_least: int = 0) -> bool:
        """Return its answer."""
        assert self._process.stdin
        self._process.stdin.write(f"{at_least}\n")
        self._process.stdin.flush()
        return bool(json.loads(self.line()))


@contextmanager
def asked(url: str, *, blind: bool = False) -> Iterator[Asked]:
    """Run another process on the database at `url`; a `blind` one never looks for changes after its first answer."""
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", _ASKED, url, folder, "blind" if blind else "sees"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        yield Asked(process)
        process.kill()


def toggled(*, give: bool) -> int:
    """Give or take the role, and return the revision."""
    membership = Membership.get(Membership.public_id == MEMBERSHIP)
    role = Role.get(Role.slug == ROLE)
    if give:
        return change_roles(membership, give=[RoleGiven(role)], take=[], by=None)
    return change_roles(membership, give=[], take=[role], by=None)


def stale_answers(other: Asked, races: int, *, at_least: bool = False) -> int:
    """Change and ask `races` times, and return how many answers did not know of the change."""
    stale = 0
    for number in range(races):
        give = bool(number % 2)
        revision = toggled(give=give)
        stale += other.allows(revision if at_least else 0) != give
    return stale


def delays(other: Asked, races: int) -> list[float]:
    """Change `races` times, ask until the answer knows of it, and return how many milliseconds each took."""
    took = []
    for number in range(races):
        give = bool(number % 2)
        toggled(give=give)
        committed = perf_counter()
        while other.allows() != give:
            pass
        took.append((perf_counter() - committed) * 1e3)
    return took
