"""Decision tables: what a policy must allow the cast, compared with what it does allow.

`policies/<resource>_test.toml` names the things of the cast, and for each the exact set of actions of everybody who
may do anything to it. Who is not named may do nothing, a guest included, so that an accidental extra permission is
found as surely as a missing one.

    [[thing]]
    id = "submit-for-assessment"    # as the cast names it
    at = "northfield"               # the organisation asked about; any, if left out
    service = "training"            # evaluations only: of which service; of none, if left out
    [thing.allowed]
    olivia-marsh = ["launch", "read"]
    "client:unassigned" = ["ask"]   # programs carry a prefix; who has not signed in is `guest`
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from peewee import JOIN

from app.accounts.models import Person
from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.engine.sandbox import PolicyError
from app.authz.information import directory
from app.authz.lint.linter import Finding
from app.authz.polar.names import policy_name, wire_name
from app.kernel import clock
from app.organisations.models import Organisation
from app.records.models import Record
from app.services.models import Client, Service
from app.services.queries import roles

_HEADER = re.compile(r"\s*\[\[\s*thing\s*]]")
_PLACE = re.compile(r" ?\(at line (\d+), column \d+\)")


def run_tables(engine: Engine, folder: Path, kinds: Iterable[str] | None = None) -> list[Finding]:
    """Return every difference between the tables in `folder` and `engine`, for the cast in the bound database.

    Each of `kinds`, or each that the policy knows, has a table there, and no other has.
    """
    cast = Cast()
    findings: list[Finding] = []
    expected = {table_name(kind): kind for kind in sorted(engine.permissions if kinds is None else kinds)}
    with clock.pinned(clock.now()):
        for file, kind in expected.items():
            findings += run_table(engine, folder / file, kind, cast)
    for path in sorted(folder.glob("*_test.toml")):
        if path.name not in expected:
            findings.append(Finding(path.name, 0, "No resource block belongs to this table."))
    return findings


def run_table(engine: Engine, path: Path, kind: str, cast: "Cast") -> Iterator[Finding]:
    """Yield every difference between the table of `kind` at `path` and `engine`, as it is found."""
    try:
        text = path.read_bytes().decode("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        yield Finding(path.name, 0, f"{kind} has no decision table.")
    except UnicodeDecodeError as error:
        yield Finding(path.name, error.object.count(b"\n", 0, error.start) + 1, "This is not UTF-8.")
    except ValueError as error:
        place = _PLACE.search(str(error))
        sentence = f"This is not TOML: {_PLACE.sub('', str(error))}."
        yield Finding(path.name, int(place[1]) if place else 0, sentence)
    else:
        run = _Run(engine, kind, cast, path.name, text)
        yield from run.compare(table)
        yield from run.left_out(table)


def table_name(kind: str) -> str:
    """Return the name of the file with the table of a kind of thing."""
    return f"{wire_name(kind)}_test.toml"


class Cast:
    """The facts of everybody and everything in the bound database, read once."""

    def __init__(self) -> None:
        found = directory.people(row.id for row in Person.select(Person.id))
        people = {person.public_id: person for person in found.values()}
        clients = {
            f"client:{row.public_id}": directory.client(row)
            for row in Client.select(Client, Service).join(Service, JOIN.LEFT_OUTER)
        }
        self.actors: dict[str, facts.Fact] = {**people, **clients, "guest": directory.GUEST}
        self.things: dict[str, Mapping[str, Any]] = {
            "Membership": {place.public_id: place for person in people.values() for place in person.memberships},
            "Organisation": {row.public_id: directory.organisation(row) for row in Organisation.select()},
            "Person": people,
            "Platform": {"platform": directory.PLATFORM},
            "Portal": {"portal": directory.PORTAL},
            "Role": {row.slug: row for row in roles()},
            "Service": {row.slug: directory.service(row) for row in Service.select()},
        }
        for row in Record.select():
            kind = facts.declared_kind(policy_name(row.kind))
            self.things[kind.__name__] = {
                **self.things.get(kind.__name__, {}),
                row.public_id: directory.record(kind, row),
            }

    def question(self, kind: str, thing: Mapping[str, Any]) -> tuple[facts.Fact, facts.Context]:
        """Return what an entry of the table of `kind` asks about, and in which context. Raises `NonsenseError`."""
        at = self._named("Organisation", thing.get("at"))
        if kind == "Evaluation":
            resource: facts.Fact = facts.Evaluation(thing["id"], self._named("Service", thing.get("service")))
        elif kind == "Role":
            resource = directory.role(self._named(kind, thing["id"]), at)
        else:
            resource = self._named(kind, thing["id"])
        return resource, facts.Context(at)

    def _named(self, kind: str, name: str | None) -> Any:
        if name is None:
            return None
        if name not in self.things.get(kind, ()):
            raise NonsenseError(f"The cast has no {kind.lower()} {name}.")
        return self.things[kind][name]


class NonsenseError(Exception):
    """An entry of a table that means nothing. The message is a sentence."""


class _Run:
    """One table, compared once."""

    def __init__(self, engine: Engine, kind: str, cast: Cast, file: str, text: str) -> None:
        self.engine = engine
        self.kind = kind
        self.cast = cast
        self.file = file
        self.lines = text.splitlines()
        # tomllib does not tell lines.
        self.starts = [number for number, line in enumerate(self.lines, 1) if _HEADER.match(line)]

    def compare(self, table: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with each entry, and where the policy differs from it."""
        for key in table.keys() - {"thing"}:
            yield Finding(self.file, self._line(0, key), f"{key} means nothing here; a table lists [[thing]].")
        for number, thing in enumerate(_things(table)):
            start = self.starts[number] if number < len(self.starts) else 0
            try:
                self._check(thing)
                resource, context = self.cast.question(self.kind, thing)
            except NonsenseError as nonsense:
                yield Finding(self.file, start, str(nonsense))
                continue
            yield from self._unknown(thing.get("allowed", {}), start)
            yield from self._differences(thing, resource, context, start)

    def left_out(self, table: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield which things of the cast the table does not speak about."""
        listed = {thing.get("id") for thing in _things(table)}
        for name in self.cast.things.get(self.kind, ()):
            if name not in listed:
                yield Finding(self.file, 0, f"The table says nothing about {name}.")

    def _check(self, thing: Mapping[str, Any]) -> None:
        may_say = {"id", "at", "allowed"} | ({"service"} if self.kind == "Evaluation" else set())
        for key in thing.keys() - may_say:
            raise NonsenseError(f"{key} means nothing here.")
        if not all(isinstance(thing.get(key, ""), str) for key in ("id", "at", "service")) or "id" not in thing:
            raise NonsenseError("A thing is named by an id, as text.")
        allowed = thing.get("allowed", {})
        if not isinstance(allowed, dict) or not all(isinstance(actions, list) for actions in allowed.values()):
            raise NonsenseError("[thing.allowed] gives a list of actions for each actor.")

    def _unknown(self, allowed: Mapping[str, list[str]], start: int) -> Iterator[Finding]:
        for actor, actions in allowed.items():
            line = self._line(start, actor)
            if actor not in self.cast.actors:
                yield Finding(self.file, line, f"The cast has nobody called {actor}.")
            for action in actions:
                if action not in self.engine.permissions[self.kind]:
                    yield Finding(self.file, line, f"{action} is not a permission of {self.kind}.")

    def _differences(
        self, thing: Mapping[str, Any], resource: facts.Fact, context: facts.Context, start: int
    ) -> Iterator[Finding]:
        permissions = sorted(self.engine.permissions[self.kind])
        name = _phrase(thing)
        for actor, fact in self.cast.actors.items():
            said: Collection[str] = thing.get("allowed", {}).get(actor, ())
            line = self._line(start, actor) if said else start
            for action in permissions:
                try:
                    allowed = self.engine.allows(fact, action, resource, context)
                except PolicyError as error:
                    yield Finding(self.file, line, f"May {actor} {action} {name}? {error}")
                    continue
                if allowed and action not in said:
                    yield Finding(self.file, line, f"{actor} may {action} {name}, and the table does not say so.")
                if not allowed and action in said:
                    yield Finding(
                        self.file, line, f"{actor} may not {action} {name}, and the table says that they may."
                    )

    def _line(self, start: int, key: str) -> int:
        key_line = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
        for number, line in enumerate(self.lines[max(start - 1, 0) :], max(start, 1)):
            if key_line.match(line):
                return number
        return start


def _things(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    things = table.get("thing", [])
    return [thing for thing in things if isinstance(thing, dict)] if isinstance(things, list) else []


def _phrase(thing: Mapping[str, Any]) -> str:
    of = f" of {thing['service']}" if "service" in thing else ""
    at = f" at {thing['at']}" if "at" in thing else ""
    return f"{thing['id']}{of}{at}"
