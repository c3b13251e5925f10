"""Taking and giving a role in one process, and asking another right after: whose answers are stale?"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from app.config import ROOT
from app.grants.operations import RoleGiven, change_roles
from app.organisations.models import Membership
from app.services.models import Role

MEMBERSHIP, PERSON, ROLE = "thomas-reed@northfield", "thomas-reed", "training:user"

_ASKED = """
import json, sys
from app.authz.cache import View
from app.authz.deciding import decide, use_policy
from app.authz.engine import Engine
from app.config import ROOT
from app.kernel import database

url, blind = sys.argv[1:]
database.bind(url)
use_policy(Engine.load(ROOT / "policies"))
view = View()
print("ready", flush=True)
for line in sys.stdin:
    (person, service), revision = view.gather(
        lambda known: (known.person("thomas-reed"), known.service("training")), at_least=int(line)
    )
    print(json.dumps(decide(person, "launch", service).allowed), flush=True)
    if blind == "blind":
        view._watch.has_changed = lambda: False
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
    command = [sys.executable, "-c", _ASKED, url, "blind" if blind else "sees"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
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
