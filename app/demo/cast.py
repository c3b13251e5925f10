"""The cast: named people, schools, services and clients that tests, decision tables, the demo and the docs share."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from marshmallow import Schema, ValidationError

from app.config import ROOT
from app.demo import schemas
from app.grants.models import Grant, StaffGrant
from app.kernel import clock
from app.kernel.database import changing
from app.kernel.tokens import hash_token, new_token
from app.organisations.models import Invitation, Membership, Organisation
from app.organisations.operations import INVITATION_LASTS
from app.people.models import EmailAddress, Person
from app.people.passwords import hash_password
from app.services.models import Client, Role, Service
from app.vocabulary import PersonState

FIXTURES = ROOT / "fixtures"
_SINCE = timedelta(days=365)
"""How long the cast has been here: nobody signs in before they were added."""

T = TypeVar("T")
Entry = dict[str, Any]


class CastError(Exception):
    """A file of the cast makes no sense. The message names file and entry."""


def is_empty() -> bool:
    """Return whether the database has neither people nor services, so that the cast may move in."""
    return not Person.select().exists() and not Service.select().exists()


def load_cast(folder: Path = FIXTURES) -> None:
    """Write the cast described in `folder` into the database: all of it, or nothing.

    Raises `CastError` when a file makes no sense, and peewee's `IntegrityError` when the cast is there already.
    """
    described = read_cast(folder)
    with changing():
        organisations = {entry["id"]: _add_organisation(entry) for entry in described["organisation"]}
        roles = _add_roles(described["portal_role"], None)
        services = {}
        for entry in described["service"]:
            services[entry["slug"]] = _add_service(entry)
            roles |= _add_roles(entry["role"], services[entry["slug"]])
        for entry in described["client"]:
            _add_client(entry, services)
        password_hash = hash_password(described["password"])
        for entry in described["person"]:
            _add_person(entry, password_hash, organisations, roles)


def read_cast(folder: Path = FIXTURES) -> dict[str, Any]:
    """Return what the files in `folder` say, checked, by kind of entry; and the one `password` of the cast.

    Raises `CastError`.
    """
    organisations = _File(folder / "organisations.toml", organisation=schemas.OrganisationEntry())
    services = _File(folder / "services.toml", portal_role=schemas.RoleEntry(), service=schemas.ServiceEntry())
    clients = _File(folder / "clients.toml", client=schemas.ClientEntry())
    people = _File(folder / "people.toml", "password", person=schemas.PersonEntry())
    for file, kind, key in (
        (organisations, "organisation", "id"),
        (organisations, "organisation", "centre_number"),
        (services, "service", "slug"),
        (clients, "client", "id"),
        (clients, "client", "key"),
        (people, "person", "id"),
        (people, "person", "email"),
    ):
        file.refuse_doubles(kind, key)
    return organisations.said | services.said | clients.said | people.said


class _File:
    """One file of the cast: lists of entries by kind, and single `words`."""

    def __init__(self, path: Path, *words: str, **schemas_by_kind: Schema) -> None:
        self.name = path.name
        try:
            raw = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise CastError(f"{self.name}: {error}") from error
        for key in raw.keys() - schemas_by_kind.keys() - set(words):
            raise CastError(f"{self.name}: {key} means nothing here.")
        self.said: dict[str, Any] = {
            kind: [self._read(kind, schema, number, entry) for number, entry in enumerate(raw.get(kind, ()), 1)]
            for kind, schema in schemas_by_kind.items()
        }
        for word in words:
            if not isinstance(raw.get(word), str):
                raise CastError(f"{self.name}: {word} is missing.")
            self.said[word] = raw[word]

    def _read(self, kind: str, schema: Schema, number: int, entry: Any) -> Entry:
        try:
            return dict(schema.load(entry))
        except ValidationError as error:
            named = isinstance(entry, Mapping) and (entry.get("id") or entry.get("slug"))
            raise CastError(
                f"{self.name}, {named or f'{kind} number {number}'}: {_sentence(error.messages)}"
            ) from error

    def refuse_doubles(self, kind: str, key: str) -> None:
        """Raise `CastError` when two entries of `kind` have the same `key`."""
        seen: set[str] = set()
        for entry in self.said[kind]:
            if entry[key] in seen:
                raise CastError(f"{self.name}, {entry.get('id') or entry.get('slug')}: {entry[key]} is there twice.")
            seen.add(entry[key])


def _sentence(messages: Any) -> str:
    """Return the first of marshmallow's nested messages with the way to it."""
    path = []
    while isinstance(messages, Mapping):
        key, messages = next(iter(messages.items()))
        path.append(str(key))
    return f"{'.'.join(path)}: {messages[0]}"


def _known(rows: Mapping[str, T], name: str, where: str, kind: str) -> T:
    if name not in rows:
        raise CastError(f"{where}: there is no {kind} {name}.")
    return rows[name]


def _add_organisation(entry: Entry) -> Organisation:
    rest = {key: value for key, value in entry.items() if key != "id"}
    return Organisation.create(public_id=entry["id"], created_at=clock.now() - _SINCE, **rest)


def _add_service(entry: Entry) -> Service:
    return Service.create(**{key: value for key, value in entry.items() if key != "role"})


def _add_roles(entries: Sequence[Entry], service: Service | None) -> dict[str, Role]:
    owner = "portal" if service is None else service.slug
    roles = {}
    for position, entry in enumerate(entries):
        slug = f"{owner}:{entry['slug']}"
        described = entry | {"slug": slug, "service": service, "position": position}
        # The portal's own role stands in every database from the start.
        roles[slug], _created = Role.get_or_create(slug=slug, defaults=described)
    return roles


def _add_client(entry: Entry, services: Mapping[str, Service]) -> None:
    named = entry["service"]
    Client.create(
        public_id=entry["id"],
        name=entry["name"],
        service=None if named is None else _known(services, named, f"clients.toml, {entry['id']}", "service"),
        kinds=entry["kinds"],
        key_hash=hash_token(entry["key"]),
        created_at=clock.now() - _SINCE,
        ended_at=clock.now() if entry["ended"] else None,
    )


def _add_person(
    entry: Entry, password_hash: str, organisations: Mapping[str, Organisation], roles: Mapping[str, Role]
) -> None:
    where = f"people.toml, {entry['id']}"
    invited = entry["state"] == PersonState.INVITED
    added = clock.now() - (timedelta(0) if invited else _SINCE)
    person = Person.create(
        public_id=entry["id"],
        name=entry["name"],
        state=entry["state"],
        password_hash="" if invited else password_hash,
        created_at=added,
        activated_at=None if invited else added,
        last_sign_in_at=_moment(entry["last_sign_in"]),
    )
    EmailAddress.create(person=person, address=entry["email"].lower())
    for staff_role in entry["staff_roles"]:
        StaffGrant.create(person=person, role=staff_role, created_at=added)
    for place in entry["membership"]:
        organisation = _known(organisations, place["organisation"], where, "organisation")
        membership = Membership.create(
            public_id=f"{entry['id']}@{place['organisation']}",
            person=person,
            organisation=organisation,
            state=place["state"],
            created_at=added,
        )
        for slug in place["roles"]:
            Grant.create(membership=membership, role=_known(roles, slug, where, "role"), created_at=added)
        for dated in place["dated"]:
            Grant.create(
                membership=membership,
                role=_known(roles, dated["role"], where, "role"),
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
