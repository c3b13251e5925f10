"""Writing fixtures into the database."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from app.accounts.activation import INVITATION_LASTS
from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import hash_password
from app.kernel import clock
from app.kernel.database import changing
from app.kernel.tokens import hash_token, new_token
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.records.models import Record
from app.seeding.fixtures import FIXTURES, FixtureEntry, read_cast, read_pack
from app.services.models import Client, Role, Service
from app.staff.models import StaffGrant
from app.vocabulary import PersonState

_SINCE = timedelta(days=365)
"""How long ago fixtures were added: nobody signs in before that."""

T = TypeVar("T")


def is_empty() -> bool:
    """Return whether the database has no people, services or records, so that fixtures may be loaded."""
    return not any(kind.select().exists() for kind in (Person, Service, Record))


def load_cast(folder: Path = FIXTURES) -> None:
    """Write the cast of `folder` into the database: all of it, or nothing.

    Raises `FixtureError` when a file is wrong, and peewee's `IntegrityError` when the cast is there already.
    """
    _load(read_cast(folder))


def load_pack(folder: Path) -> None:
    """Write the fixtures of a pack into the database: all of them, or nothing. Raises like `load_cast`."""
    _load(read_pack(folder), knows_everybody=True)


def _load(described: dict[str, Any], *, knows_everybody: bool = False) -> None:
    with changing():
        organisations = {entry["id"]: _add_organisation(entry) for entry in described["organisation"]}
        roles = {role.slug: role for role in Role.select().where(Role.service.is_null())}
        roles |= _add_roles(described["portal_role"], None)
        services = {}
        for entry in described["service"]:
            services[entry["slug"]] = _add_service(entry)
            roles |= _add_roles(entry["role"], services[entry["slug"]])
        for entry in described["client"]:
            _add_client(entry, services, knows_everybody=knows_everybody)
        for entry in described["record"]:
            Record.create(kind=entry["type"], public_id=entry["id"], properties=entry["properties"])
        # Without a password nobody can sign in, but clients can ask about these people all the same.
        password_hash = hash_password(described["password"]) if described["password"] else ""
        for entry in described["person"]:
            _add_person(entry, password_hash, organisations, roles)


def _known(rows: Mapping[str, T], name: str, entry: FixtureEntry, kind: str) -> T:
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
        # The migrations insert the portal's own role.
        roles[slug], _created = Role.get_or_create(slug=slug, defaults=described)  # type: ignore[no-untyped-call]  # peewee has no types
    return roles


def _add_client(entry: FixtureEntry, services: Mapping[str, Service], *, knows_everybody: bool) -> None:
    named = entry["service"]
    Client.create(
        public_id=entry["id"],
        name=entry["name"],
        service=None if named is None else _known(services, named, entry, "service"),
        kinds=entry["kinds"],
        knows_everybody=knows_everybody if entry["knows_everybody"] is None else entry["knows_everybody"],
        by_address=entry["by_address"],
        person_types=entry["person_types"],
        key_hash=hash_token(entry["key"]),
        created_at=clock.now() - _SINCE,
        ended_at=clock.now() if entry["ended"] else None,
    )


def _add_person(
    entry: FixtureEntry, password_hash: str, organisations: Mapping[str, Organisation], roles: Mapping[str, Role]
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
    for described in entry["membership"]:
        organisation = _known(organisations, described["organisation"], entry, "organisation")
        membership = Membership.create(
            public_id=f"{entry['id']}@{described['organisation']}",
            person=person,
            organisation=organisation,
            state=described["state"],
            created_at=added,
        )
        for slug in described["roles"]:
            Grant.create(membership=membership, role=_known(roles, slug, entry, "role"), created_at=added)
        for dated in described["dated"]:
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
