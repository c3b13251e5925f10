"""The cast: named people, schools, services and clients that tests, decision tables, the demo and the docs share."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from marshmallow import Schema, ValidationError

from app.accounts.activation import INVITATION_LASTS
from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import hash_password
from app.config import ROOT
from app.kernel import clock
from app.kernel.database import changing
from app.kernel.tokens import hash_token, new_token
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.records.models import Record
from app.seeding import schemas
from app.services.models import Client, Role, Service
from app.staff.models import StaffGrant
from app.vocabulary import DIRECTORY_KINDS, PersonState

FIXTURES = ROOT / "fixtures"
_SINCE = timedelta(days=365)
"""How long the cast has been here: nobody signs in before they were added."""

_PLACE = re.compile(r" ?\(at line (\d+), column \d+\)")

T = TypeVar("T")


class CastError(Exception):
    """A file of the cast, or of a pack, makes no sense. `sentence` names the entry."""

    def __init__(self, file: str, line: int, sentence: str) -> None:
        super().__init__(f"{file}:{line}: {sentence}")
        self.file = file
        self.line = line
        self.sentence = sentence


def is_empty() -> bool:
    """Return whether the database has no people, services or records, so that a cast may move in."""
    return not any(kind.select().exists() for kind in (Person, Service, Record))


def load_cast(folder: Path = FIXTURES) -> None:
    """Write the cast described in `folder` into the database: all of it, or nothing.

    Raises `CastError` when a file makes no sense, and peewee's `IntegrityError` when the cast is there already.
    """
    _load(read_cast(folder))


def load_pack(folder: Path) -> None:
    """Write what the fixtures of a pack describe into the database: all of it, or nothing. Raises like `load_cast`."""
    _load(read_pack(folder))


def _load(described: dict[str, Any]) -> None:
    with changing():
        organisations = {entry["id"]: _add_organisation(entry) for entry in described["organisation"]}
        roles = {role.slug: role for role in Role.select().where(Role.service.is_null())}
        roles |= _add_roles(described["portal_role"], None)
        services = {}
        for entry in described["service"]:
            services[entry["slug"]] = _add_service(entry)
            roles |= _add_roles(entry["role"], services[entry["slug"]])
        for entry in described["client"]:
            _add_client(entry, services)
        for entry in described["record"]:
            Record.create(kind=entry["type"], public_id=entry["id"], properties=entry["properties"])
        # Who has no password cannot sign in, and can be asked about all the same.
        password_hash = hash_password(described["password"]) if described["password"] else ""
        for entry in described["person"]:
            _add_person(entry, password_hash, organisations, roles)


def read_cast(folder: Path = FIXTURES) -> dict[str, Any]:
    """Return what the files in `folder` say, checked, by kind of entry; and the one `password` of the cast.

    Raises `CastError`.
    """
    described = _read(folder, schemas.PersonEntry())
    for name, kind in (("organisations", "organisation"), ("services", "service"), ("clients", "client")):
        if not (folder / f"{name}.toml").is_file():
            raise CastError(f"{name}.toml", 0, f"The file is missing, so there is no {kind}.")
    if not described["password"]:
        raise CastError("people.toml", 0, "password is missing.")
    return described


def read_pack(folder: Path) -> dict[str, Any]:
    """Return what the fixtures of a pack say, like `read_cast`. Every file may be missing, and so may the password.

    Raises `CastError`.
    """
    known = {f"{name}.toml" for name in ("organisations", "services", "clients", "people", "records")}
    for path in unread(folder, known):
        raise CastError(path.name, 0, f"Nobody reads this. There are: {', '.join(sorted(known))}.")
    return _read(folder, schemas.PackPersonEntry())


def unread(folder: Path, known: Collection[str]) -> list[Path]:
    """Return what is in `folder` of a pack and not `known`, without what is hidden or for people (`*.md`)."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.name not in known and path.name[0] != "." and path.suffix != ".md"]


def _read(folder: Path, person: Schema) -> dict[str, Any]:
    organisations = _File(folder / "organisations.toml", organisation=schemas.OrganisationEntry())
    services = _File(folder / "services.toml", portal_role=schemas.RoleEntry(), service=schemas.ServiceEntry())
    clients = _File(folder / "clients.toml", client=schemas.ClientEntry())
    people = _File(folder / "people.toml", "password", person=person)
    records = _File(folder / "records.toml", record=schemas.RecordEntry())
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
        file.refuse_doubles(kind, *key)
    _refuse_shared_kinds(clients.said["client"])
    return organisations.said | services.said | clients.said | people.said | records.said


class Entry(dict[str, Any]):
    """What one entry says, and where it stands."""

    def __init__(self, values: Mapping[str, Any], file: str, line: int) -> None:
        super().__init__(values)
        self.file = file
        self.line = line

    def error(self, sentence: str) -> CastError:
        """Return the error that this entry makes no sense."""
        named = self.get("id") or self.get("slug")
        return CastError(self.file, self.line, f"{named}: {sentence}")


class _File:
    """One file of the cast: lists of entries by kind, and single `words`. One that is not there says nothing."""

    def __init__(self, path: Path, *words: str, **schemas_by_kind: Schema) -> None:
        self.name = path.name
        try:
            text = path.read_bytes().decode("utf-8") if path.exists() or path.is_symlink() else ""
            raw = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise CastError(self.name, line, "This is not UTF-8.") from error
        except OSError as error:
            raise CastError(self.name, 0, f"This cannot be read: {error.strerror}.") from error
        except RecursionError as error:
            deepest = max(enumerate(text.splitlines(), 1), key=lambda line: line[1].count("["))
            raise CastError(self.name, deepest[0], "This is nested too deeply.") from error
        except ValueError as error:
            place = _PLACE.search(str(error))
            sentence = f"This is not TOML: {_PLACE.sub('', str(error))}."
            raise CastError(self.name, int(place[1]) if place else 0, sentence) from error
        self._lines = text.splitlines()
        for key in raw.keys() - schemas_by_kind.keys() - set(words):
            raise CastError(self.name, self._line_of(key, 0), f"{key} means nothing here.")
        self.said: dict[str, Any] = {}
        for kind, schema in schemas_by_kind.items():
            entries = raw.get(kind, [])
            if not isinstance(entries, list):
                raise CastError(self.name, self._line_of(kind, 0), f"Write each {kind} below a line [[{kind}]].")
            self.said[kind] = [self._read(kind, schema, number, entry) for number, entry in enumerate(entries)]
        for word in words:
            if not isinstance(raw.get(word, ""), str):
                raise CastError(self.name, self._line_of(word, 0), f"{word} is a text.")
            self.said[word] = raw.get(word, "")

    def _read(self, kind: str, schema: Schema, number: int, entry: Any) -> Entry:
        # tomllib does not tell lines.
        header = re.compile(rf"\s*\[\[\s*{kind}\s*]]")
        starts = [line for line, text in enumerate(self._lines, 1) if header.match(text)]
        start = starts[number] if number < len(starts) else self._line_of(kind, 0)
        try:
            return Entry(schema.load(entry), self.name, start)
        except ValidationError as error:
            path, sentence = _first(error.messages)
            name = isinstance(entry, Mapping) and (entry.get("id") or entry.get("slug"))
            named = name if isinstance(name, str) and name.isprintable() else f"{kind} number {number + 1}"
            raise CastError(
                self.name,
                self._line_of(path[0], start) if path else start,
                ": ".join([named, *([".".join(path)] if path else []), sentence]),
            ) from error

    def _line_of(self, key: str, start: int) -> int:
        """Return the line of `key` in the entry that starts at `start`, or that of the entry."""
        for number, text in enumerate(self._lines[start:], start + 1):
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=|\s*\[\[?[\w.]*\b{re.escape(key)}\s*]""", text):
                return number
            if start and re.match(r"\s*\[\[\s*\w+\s*]]", text):
                break
        return start

    def refuse_doubles(self, kind: str, *keys: str) -> None:
        """Raise `CastError` when two entries of `kind` have the same `keys`."""
        seen: set[tuple[Any, ...]] = set()
        for entry in self.said[kind]:
            values = tuple(entry[key] for key in keys)
            if values in seen:
                raise entry.error(f"{' '.join(values)} is there twice.")
            seen |= set() if None in values else {values}


def _refuse_shared_kinds(clients: Sequence[Entry]) -> None:
    owners: dict[str, str] = {}
    for entry in clients:
        if entry["service"] is not None:
            for kind in sorted(set(entry["kinds"]) - DIRECTORY_KINDS):
                if owners.setdefault(kind, entry["service"]) != entry["service"]:
                    raise entry.error(f"the kind {kind} belongs to the service {owners[kind]}.")


def _first(messages: Any) -> tuple[list[str], str]:
    """Return the way to the first of marshmallow's nested messages, and the message."""
    path = []
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        # What is wrong with a table as a whole stands under a name of marshmallow's own.
        path += [] if key == "_schema" else [str(key)]
    return path, str(messages[0])


def _known(rows: Mapping[str, T], name: str, entry: Entry, kind: str) -> T:
    if name not in rows:
        raise entry.error(f"there is no {kind} {name}.")
    return rows[name]


def _add_organisation(entry: Mapping[str, Any]) -> Organisation:
    rest = {key: value for key, value in entry.items() if key != "id"}
    return Organisation.create(public_id=entry["id"], created_at=clock.now() - _SINCE, **rest)


def _add_service(entry: Mapping[str, Any]) -> Service:
    return Service.create(**{key: value for key, value in entry.items() if key != "role"})


def _add_roles(entries: Sequence[Mapping[str, Any]], service: Service | None) -> dict[str, Role]:
    owner = "portal" if service is None else service.slug
    roles = {}
    for position, entry in enumerate(entries):
        slug = f"{owner}:{entry['slug']}"
        described = {**entry, "slug": slug, "service": service, "position": position}
        # The portal's own role stands in every database from the start.
        roles[slug], _created = Role.get_or_create(slug=slug, defaults=described)
    return roles


def _add_client(entry: Entry, services: Mapping[str, Service]) -> None:
    named = entry["service"]
    Client.create(
        public_id=entry["id"],
        name=entry["name"],
        service=None if named is None else _known(services, named, entry, "service"),
        kinds=entry["kinds"],
        key_hash=hash_token(entry["key"]),
        created_at=clock.now() - _SINCE,
        ended_at=clock.now() if entry["ended"] else None,
    )


def _add_person(
    entry: Entry, password_hash: str, organisations: Mapping[str, Organisation], roles: Mapping[str, Role]
) -> None:
    invited = entry["state"] == PersonState.INVITED
    added = clock.now() - (timedelta(0) if invited else _SINCE)
    person = Person.create(
        public_id=entry["id"],
        name=entry["name"] or entry["id"],
        state=entry["state"],
        properties=entry["properties"],
        password_hash="" if invited else password_hash,
        created_at=added,
        activated_at=None if invited else added,
        last_sign_in_at=_moment(entry["last_sign_in"]),
    )
    if entry["email"]:
        EmailAddress.create(person=person, address=entry["email"])
    for staff_role in entry["staff_roles"]:
        StaffGrant.create(person=person, role=staff_role, created_at=added)
    for place in entry["membership"]:
        organisation = _known(organisations, place["organisation"], entry, "organisation")
        membership = Membership.create(
            public_id=f"{entry['id']}@{place['organisation']}",
            person=person,
            organisation=organisation,
            state=place["state"],
            created_at=added,
        )
        for slug in place["roles"]:
            Grant.create(membership=membership, role=_known(roles, slug, entry, "role"), created_at=added)
        for dated in place["dated"]:
            Grant.create(
                membership=membership,
                role=_known(roles, dated["role"], entry, "role"),
                first_day=_day(dated["first_day"], organisation),
                last_day=_day(dated["last_day"], organisation),
                reason=dated["reason"],
                created_at=added,
            )
        if invited:
            Invitation.create(
                # The mail with this link was never sent; an exams officer can send a new one.
                token_hash=hash_token(new_token()),
                person=person,
                organisation=organisation,
                created_at=added,
                ends_at=added + INVITATION_LASTS,
            )


def _moment(days: str | None) -> datetime | None:
    return None if days is None else clock.now() + timedelta(days=int(days))


def _day(days: str | None, organisation: Organisation) -> date | None:
    return None if days is None else clock.today(organisation.time_zone) + timedelta(days=int(days))
