"""Decision tables: the permissions that a policy must grant to the cast, compared with those that it does grant.

`policies/<resource>_test.toml` lists resources of the cast, and for each the exact set of actions of every actor who
may do anything to it. An actor who is not listed, a guest included, may do nothing, so a permission that was added by
accident is found as surely as a missing one.

    [[thing]]
    id = "submit-for-assessment"    # the name of the resource in the cast
    at = "northfield"               # the organisation acted in; any, if left out
    service = "training"            # evaluations only: of which service; of none, if left out
    properties = { status = "draft" }   # what the question says of the resource, if its type is one of a pack,
    subject = { role = "admin" }        # of whoever asks,
    action = { soft = true }            # of the action,
    request = { ip = "::1" }            # and of its circumstances
    [thing.allowed]
    olivia-marsh = ["launch", "read"]
    "client:unassigned" = ["ask"]   # clients have a prefix; `guest` is not signed in, `operator` is at the command line
"""

import json
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from peewee import JOIN

from app.accounts.models import Person
from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.information import directory
from app.authz.lint.findings import Finding, RuleId
from app.authz.polar.names import policy_name, wire_name
from app.kernel import clock
from app.organisations.models import Organisation
from app.records.models import Record
from app.services.models import Client, Service
from app.services.queries import roles

_SAID = frozenset({"properties", "subject", "action", "request"})
"""Keys of an entry under which a question says something."""
_HEADER = re.compile(r"\s*\[\[\s*thing\s*]]")
_TOML_PLACE = re.compile(r" ?\(at line (\d+), column (\d+)\)")


def run_tables(engine: Engine, folder: Path, kinds: Iterable[str] | None = None) -> list[Finding]:
    """Return every difference between the tables in `folder` and `engine`, for the cast in the bound database.

    There must be a table for each of `kinds`, or for each resource block if that is None, and no other table.
    """
    cast = Cast()
    findings: list[Finding] = []
    expected = {table_name(kind): kind for kind in sorted(engine.permissions if kinds is None else kinds)}
    with clock.pinned(clock.now()):
        for file, kind in expected.items():
            findings += run_table(engine, folder / file, kind, cast)
    for path in sorted(folder.glob("*_test.toml")):
        if path.name not in expected:
            findings.append(Finding(RuleId.UNUSED_TABLE, path.name, 0, 0, "No resource block belongs to this table."))
    return findings


def run_table(engine: Engine, path: Path, kind: str, cast: "Cast") -> Iterator[Finding]:
    """Yield the differences between the table of `kind` at `path` and `engine`, one by one."""
    try:
        text = path.read_bytes().decode("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        yield Finding(RuleId.MISSING_TABLE, path.name, 0, 0, f"{kind} has no decision table.")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        yield Finding(RuleId.UNREADABLE_FILE, path.name, line, column, "The file is not UTF-8.")
    except ValueError as error:
        place = _TOML_PLACE.search(str(error))
        line, column = (int(place[1]), int(place[2])) if place else (0, 0)
        message = f"This is not valid TOML: {_TOML_PLACE.sub('', str(error))}."
        yield Finding(RuleId.TOML_SYNTAX, path.name, line, column, message)
    else:
        comparison = _Comparison(engine, kind, cast, path.name, text)
        yield from comparison.compare(table)
        yield from comparison.check_complete(table)


def table_name(kind: str) -> str:
    """Return the name of the file with the decision table of a type."""
    return f"{wire_name(kind)}_test.toml"


class Cast:
    """The facts about every actor and every resource in the bound database, read once."""

    def __init__(self) -> None:
        found = directory.people(row.id for row in Person.select(Person.id))
        people = {person.public_id: person for person in found.values()}
        clients = {
            f"client:{row.public_id}": directory.client(row)
            for row in Client.select(Client, Service).join(Service, JOIN.LEFT_OUTER)
        }
        self.actors: dict[str, facts.Fact] = {
            **people,
            **clients,
            "guest": directory.GUEST,
            "operator": directory.OPERATOR,
        }
        self.resources: dict[str, Mapping[str, Any]] = {
            "Client": {name.removeprefix("client:"): client for name, client in clients.items()},
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
            self.resources[kind.__name__] = {
                **self.resources.get(kind.__name__, {}),
                row.public_id: directory.record(kind, row),
            }

    def resolve(self, kind: str, entry: Mapping[str, Any]) -> tuple[facts.Fact, facts.Context]:
        """Return the resource and the context that an entry in the table of `kind` names. Raises `EntryError`."""
        at = self._named("Organisation", entry.get("at"))
        said = {key: facts.Properties(entry[key]) for key in ("action", "request") if key in entry}
        if kind == "Evaluation":
            resource: facts.Fact = facts.Evaluation(entry["id"], self._named("Service", entry.get("service")))
        elif kind == "Role":
            resource = directory.role(self._named(kind, entry["id"]), at)
        else:
            resource = self._named(kind, entry["id"])
        if isinstance(resource, facts.Record) and "properties" in entry:
            resource = replace(resource, properties=resource.properties.with_values(entry["properties"]))
        return resource, facts.Context(at, **said)

    def _named(self, kind: str, name: str | None) -> Any:
        if name is None:
            return None
        if name not in self.resources.get(kind, ()):
            raise EntryError(RuleId.UNKNOWN_CAST_NAME, f"The cast has no {wire_name(kind)} {name}.")
        return self.resources[kind][name]


class EntryError(Exception):
    """An entry of a table is invalid. `message` is a sentence."""

    def __init__(self, rule: RuleId, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


class _Comparison:
    """Compares one table with the policy."""

    def __init__(self, engine: Engine, kind: str, cast: Cast, file: str, text: str) -> None:
        self.engine = engine
        self.kind = kind
        self.cast = cast
        self.file = file
        self.lines = text.splitlines()
        # tomllib does not report line numbers.
        self.starts = [number for number, line in enumerate(self.lines, 1) if _HEADER.match(line)]

    def compare(self, table: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield what is wrong with each entry, and where the policy differs from it."""
        for key in table.keys() - {"thing"}:
            yield self._finding(RuleId.INVALID_TABLE, 0, key, f"Unknown key {key}; a table consists of [[thing]].")
        for number, entry in enumerate(_entries(table)):
            start = self.starts[number] if number < len(self.starts) else 0
            try:
                self._check(entry)
                resource, context = self.cast.resolve(self.kind, entry)
            except EntryError as error:
                yield self._finding(error.rule, start, None, error.message)
                continue
            yield from self._unknown_names(entry.get("allowed", {}), start)
            yield from self._differences(entry, resource, context, start)

    def check_complete(self, table: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield each resource of the cast that the table does not mention."""
        listed = [entry.get("id") for entry in _entries(table)]
        for name in self.cast.resources.get(self.kind, ()):
            if name not in listed:
                yield self._finding(RuleId.INCOMPLETE_TABLE, 0, None, f"The table does not mention {name}.")

    def _check(self, entry: Mapping[str, Any]) -> None:
        known = {"id", "at", "allowed", *_SAID} | ({"service"} if self.kind == "Evaluation" else set())
        for key in entry.keys() - known:
            raise EntryError(RuleId.INVALID_TABLE, f"Unknown key {key}.")
        for key in entry.keys() & _SAID:
            if not isinstance(entry[key], dict):
                raise EntryError(RuleId.INVALID_TABLE, f"{key} is a table of properties.")
        if "properties" in entry and self.kind in facts.KINDS:
            raise EntryError(RuleId.INVALID_TABLE, f"A question cannot say properties of a {wire_name(self.kind)}.")
        if not all(isinstance(entry.get(key, ""), str) for key in ("id", "at", "service")) or "id" not in entry:
            raise EntryError(RuleId.INVALID_TABLE, "A [[thing]] needs an id, and its id, at and service are strings.")
        allowed = entry.get("allowed", {})
        if not isinstance(allowed, dict) or not all(map(_is_list_of_strings, allowed.values())):
            raise EntryError(RuleId.INVALID_TABLE, "[thing.allowed] needs a list of actions for each actor.")

    def _unknown_names(self, allowed: Mapping[str, list[str]], start: int) -> Iterator[Finding]:
        for actor, actions in allowed.items():
            if actor not in self.cast.actors:
                yield self._finding(RuleId.UNKNOWN_CAST_NAME, start, actor, f"The cast has no actor {actor}.")
            for action in actions:
                if action not in self.engine.permissions[self.kind]:
                    message = f'{self.kind} declares no permission "{action}".'
                    yield self._finding(RuleId.UNDECLARED_NAME, start, actor, message)

    def _differences(
        self, entry: Mapping[str, Any], resource: facts.Fact, context: facts.Context, start: int
    ) -> Iterator[Finding]:
        permissions = sorted(self.engine.permissions[self.kind])
        name = _describe(entry)
        for actor, known in self.cast.actors.items():
            fact = _described(known, entry.get("subject", {}))
            listed: Collection[str] = entry.get("allowed", {}).get(actor, ())
            key = actor if listed else None
            for action in permissions:
                try:
                    allowed = self.engine.allows(fact, action, resource, context)
                except PolicyError as error:
                    message = f"Whether {actor} may {action} {name} cannot be decided: {error}"
                    yield self._finding(RuleId.EVALUATION_ERROR, start, key, message)
                    continue
                if allowed and action not in listed:
                    message = f"{actor} may {action} {name}, but the table does not list it."
                    yield self._finding(RuleId.TABLE_DIFFERS, start, key, message)
                if not allowed and action in listed:
                    message = f"{actor} may not {action} {name}, but the table lists it."
                    yield self._finding(RuleId.TABLE_DIFFERS, start, key, message)

    def _finding(self, rule: RuleId, start: int, key: str | None, message: str) -> Finding:
        """Return a finding at `key` in the entry that starts on line `start`, or at that line."""
        if key is not None:
            key_start = re.compile(rf"""(\s*)["']?{re.escape(key)}["']?\s*=""")
            for number, line in enumerate(self.lines[max(start - 1, 0) :], max(start, 1)):
                if match := key_start.match(line):
                    return Finding(rule, self.file, number, match.end(1) + 1, message)
        return Finding(rule, self.file, start, 1 if start else 0, message)


def _described(actor: facts.Fact, properties: Mapping[str, Any]) -> facts.Fact:
    """Return an actor as a question describes them."""
    if not properties or not isinstance(actor, facts.Person):
        return actor
    return facts.changed_person(actor, properties=actor.properties.with_values(properties))


def _entries(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = table.get("thing", [])
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _describe(entry: Mapping[str, Any]) -> str:
    of = f" of {entry['service']}" if "service" in entry else ""
    at = f" at {entry['at']}" if "at" in entry else ""
    said = "".join(f" with {key} {_in_words(entry[key])}" for key in sorted(entry.keys() & _SAID))
    return f"{entry['id']}{of}{at}{said}"


def _in_words(properties: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {json.dumps(value, default=str)}" for name, value in properties.items())


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(element, str) for element in value)
