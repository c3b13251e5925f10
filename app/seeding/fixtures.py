"""Reading fixtures: TOML files that describe organisations, services, clients, people and records.

The cast in `fixtures/` are the named people, schools, services and clients that tests, decision tables, the demo and
the documentation share. A pack may bring fixtures of its own.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError

from app.config import ROOT
from app.kernel.files import is_left_over
from app.seeding import schemas
from app.vocabulary import DIRECTORY_KINDS

FIXTURES = ROOT / "fixtures"
PACK_FILES = ("clients.toml", "organisations.toml", "people.toml", "records.toml", "services.toml")
"""The files that the fixtures of a pack may consist of."""
_POSITION = re.compile(r" ?\(at line (\d+), column \d+\)")


class FixtureError(Exception):
    """A file of fixtures is wrong. `sentence` names the entry, `line` is 0 for the file as a whole."""

    def __init__(self, file: str, line: int, sentence: str) -> None:
        super().__init__(f"{file}:{line}: {sentence}")
        self.file = file
        self.line = line
        self.sentence = sentence


def read_cast(folder: Path = FIXTURES) -> dict[str, Any]:
    """Return the validated entries of the files in `folder` by kind, and the `password` that the whole cast shares.

    Raises `FixtureError`.
    """
    described = _read(folder, schemas.PersonEntry())
    for name, kind in (("organisations", "organisation"), ("services", "service"), ("clients", "client")):
        if not (folder / f"{name}.toml").is_file():
            raise FixtureError(f"{name}.toml", 0, f"The file is missing, so there is no {kind}.")
    if not described["password"]:
        raise FixtureError("people.toml", 0, "password is missing.")
    return described


def read_pack(folder: Path) -> dict[str, Any]:
    """Like `read_cast`, for the fixtures of a pack, where every file and the password are optional.

    Raises `FixtureError`.
    """
    for path in unread(folder, PACK_FILES):
        raise FixtureError(path.name, 0, f"The file is not read; fixtures are in {', '.join(PACK_FILES)}.")
    return _read(folder, schemas.PackPersonEntry())


def unread(folder: Path, known: Collection[str]) -> list[Path]:
    """Return the files in `folder` that are not `known`, without Markdown and what editors and systems leave there."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.name not in known and not is_left_over(path) and path.suffix != ".md"]


def digest(folder: Path) -> str:
    """Return a hash of what the fixtures of a pack, which are in good form, say: comments and layout are nothing."""
    said = {name: tomllib.loads((folder / name).read_text()) for name in PACK_FILES if (folder / name).is_file()}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _read(folder: Path, person: Schema) -> dict[str, Any]:
    organisations = FixtureFile(folder / "organisations.toml", organisation=schemas.OrganisationEntry())
    services = FixtureFile(folder / "services.toml", portal_role=schemas.RoleEntry(), service=schemas.ServiceEntry())
    clients = FixtureFile(folder / "clients.toml", client=schemas.ClientEntry())
    people = FixtureFile(folder / "people.toml", "password", person=person)
    records = FixtureFile(folder / "records.toml", record=schemas.RecordEntry())
    for file, kind, *key in (
        (organisations, "organisation", "id"),
        (organisations, "organisation", "centre_number"),
        (services, "service", "slug"),
        (services, "portal_role", "slug"),
        (clients, "client", "id"),
        (clients, "client", "key"),
        (people, "person", "id"),
        (people, "person", "email"),
        (records, "record", "type", "id"),
    ):
        file.refuse_duplicates(kind, *key)
    _refuse_shared_kinds(clients.entries["client"])
    return organisations.entries | services.entries | clients.entries | people.entries | records.entries


class FixtureEntry(dict[str, Any]):
    """A validated entry, with its file and line."""

    def __init__(self, values: Mapping[str, Any], file: str, line: int) -> None:
        super().__init__(values)
        self.file = file
        self.line = line

    def error(self, sentence: str) -> FixtureError:
        """Return an error about this entry."""
        named = self.get("id") or self.get("slug")
        return FixtureError(self.file, self.line, f"{named}: {sentence}")


class FixtureFile:
    """One file of fixtures: lists of `entries` by kind, and single `words`. A file that does not exist is empty."""

    def __init__(self, path: Path, *words: str, **schemas_by_kind: Schema) -> None:
        self.name = path.name
        try:
            text = path.read_bytes().decode("utf-8") if path.exists() or path.is_symlink() else ""
            raw = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise FixtureError(self.name, line, "This is not UTF-8.") from error
        except OSError as error:
            raise FixtureError(self.name, 0, f"This cannot be read: {error.strerror}.") from error
        except RecursionError as error:
            deepest = max(enumerate(text.splitlines(), 1), key=lambda line: line[1].count("["))
            raise FixtureError(self.name, deepest[0], "This is nested too deeply.") from error
        except ValueError as error:
            position = _POSITION.search(str(error))
            sentence = f"This is not TOML: {_POSITION.sub('', str(error))}."
            raise FixtureError(self.name, int(position[1]) if position else 0, sentence) from error
        self._lines = text.splitlines()
        for key in raw.keys() - schemas_by_kind.keys() - set(words):
            raise FixtureError(self.name, self._line_of(key, 0), f"Unknown key {key}.")
        self.entries: dict[str, Any] = {}
        for kind, schema in schemas_by_kind.items():
            entries = raw.get(kind, [])
            if not isinstance(entries, list):
                raise FixtureError(self.name, self._line_of(kind, 0), f"Write each {kind} below a line [[{kind}]].")
            self.entries[kind] = [self._read(kind, schema, number, entry) for number, entry in enumerate(entries)]
        for word in words:
            if not isinstance(raw.get(word, ""), str):
                raise FixtureError(self.name, self._line_of(word, 0), f"{word} must be a text.")
            self.entries[word] = raw.get(word, "")

    def _read(self, kind: str, schema: Schema, number: int, entry: Any) -> FixtureEntry:
        # tomllib does not report the lines of tables.
        header = re.compile(rf"\s*\[\[\s*{kind}\s*]]")
        starts = [line for line, text in enumerate(self._lines, 1) if header.match(text)]
        start = starts[number] if number < len(starts) else self._line_of(kind, 0)
        try:
            return FixtureEntry(schema.load(entry), self.name, start)
        except ValidationError as error:
            path, sentence = _first(error.messages)
            name = isinstance(entry, Mapping) and (entry.get("id") or entry.get("slug"))
            named = name if isinstance(name, str) and name.isprintable() else f"{kind} number {number + 1}"
            raise FixtureError(
                self.name,
                self._line_of(path[0], start) if path else start,
                ": ".join([named, *([".".join(path)] if path else []), sentence]),
            ) from error

    def _line_of(self, key: str, start: int) -> int:
        """Return the line of `key` in the entry that starts at line `start`, or `start` if it is not found."""
        for number, text in enumerate(self._lines[start:], start + 1):
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=|\s*\[\[?[\w.]*\b{re.escape(key)}\s*]""", text):
                return number
            if start and re.match(r"\s*\[\[\s*\w+\s*]]", text):
                break
        return start

    def refuse_duplicates(self, kind: str, *keys: str) -> None:
        """Raise `FixtureError` when two entries of `kind` have the same `keys`."""
        seen: set[tuple[Any, ...]] = set()
        for entry in self.entries[kind]:
            values = tuple(entry[key] for key in keys)
            if values in seen:
                raise entry.error(f"{' '.join(values)} appears twice.")
            seen |= set() if None in values else {values}


def _refuse_shared_kinds(clients: Sequence[FixtureEntry]) -> None:
    owners: dict[str, str] = {}
    for entry in clients:
        if entry["service"] is not None:
            for kind in sorted(set(entry["kinds"]) - DIRECTORY_KINDS):
                if owners.setdefault(kind, entry["service"]) != entry["service"]:
                    raise entry.error(f"the kind {kind} belongs to the service {owners[kind]}.")


def _first(messages: Any) -> tuple[list[str], str]:
    """Return the path to the first of marshmallow's nested messages, and the message."""
    path = []
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        # marshmallow reports errors of a whole table under this key.
        path += [] if key == "_schema" else [str(key)]
    return path, str(messages[0])
