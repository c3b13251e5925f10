"""From rows to facts: what decisions are made about, in a fixed number of queries however many rows there are."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from peewee import JOIN

from app.accounts.models import EmailAddress, Person
from app.authz import facts
from app.authz.information.people import (
    LoadedPerson,
    interned,
    load_holders_after,
    load_people,
    load_people_after,
    load_person,
    properties,
)
from app.memberships.models import Membership
from app.organisations import queries as organisations
from app.organisations.models import Organisation
from app.records.models import Record
from app.services.models import Client, Role, Service
from app.services.queries import roles

PORTAL = facts.Portal()
PLATFORM = facts.Platform()
GUEST = facts.Guest()
OPERATOR = facts.Operator()


class Catalogue(NamedTuple):
    """Every service and every role by slug, in their order; the roles as held at any organisation."""

    services: dict[str, facts.Service]
    roles: dict[str, facts.Role]
    roles_of: dict[str, tuple[facts.Role, ...]]
    """By the slug of their service."""


def people(ids: Iterable[int]) -> dict[int, facts.Person]:
    """Return the facts of the people with these row ids, in two queries however many there are.

    Memberships that have ended are left out: to the policy they do not exist.
    """
    wanted = list(ids)
    return {row_id: loaded.person for row_id, loaded in load_people(Person.id.in_(wanted)).items()} if wanted else {}


def person(row_id: int) -> facts.Person | None:
    """Return the facts of one person by row id, or None."""
    return people([row_id]).get(row_id)


def people_by_public_id(public_id: str) -> Iterator[LoadedPerson]:
    """Yield the person with this public id, if there is one."""
    yield from load_person(Person.public_id, public_id).values()


def people_by_address(address: str) -> Iterator[LoadedPerson]:
    """Yield the person with this e-mail address (in normal form), if there is one."""
    yield from load_person(EmailAddress.address, address).values()


def people_after(public_id: str, limit: int) -> list[LoadedPerson]:
    """Return up to `limit` people in the order of their public ids, from after `public_id` on."""
    loaded = load_people_after(public_id, limit)
    return sorted(loaded.values(), key=lambda one: one.person.public_id)


def holders_after(service: str, organisation: str | None, public_id: str, limit: int) -> list[LoadedPerson]:
    """Return people who hold or held a role of a service, as `load_holders_after` does, in order."""
    loaded = load_holders_after(service, organisation, public_id, limit)
    return sorted(loaded.values(), key=lambda one: one.person.public_id)


def person_named(name: str) -> facts.Person | None:
    """Return the facts of the person with this public id or e-mail address, or None."""
    by_address = "@" in name
    found = people_by_address(name.strip().lower()) if by_address else people_by_public_id(name)
    return next((loaded.person for loaded in found), None)


def memberships(rows: Iterable[Membership]) -> list[facts.Membership | None]:
    """Return the facts of these memberships, in their order; None for one that has ended."""
    rows = list(rows)
    by_id = {
        membership.public_id: membership
        for loaded in people({row.person_id for row in rows}).values()
        for membership in loaded.memberships
    }
    return [by_id.get(row.public_id) for row in rows]


def organisation_named(name: str) -> facts.Organisation | None:
    """Return the facts of the organisation with this public id or centre number, or None."""
    row = organisations.organisation_named(name)
    return None if row is None else organisation(row)


def has_organisations() -> bool:
    """Return whether there are any; a pack may do without."""
    return bool(Organisation.select().exists())


def catalogue() -> Catalogue:
    """Return the facts of all services and roles."""
    services = {row.slug: service(row) for row in Service.select().order_by(Service.slug)}
    all_roles = {}
    by_service: dict[str, list[facts.Role]] = {}
    for row in roles():
        owner = None if row.service is None else services[row.service.slug]
        found = all_roles[row.slug] = facts.Role(row.slug, owner, None, officers_may_give=row.officers_may_give)
        if owner is not None:
            by_service.setdefault(owner.slug, []).append(found)
    return Catalogue(services, all_roles, {slug: tuple(of_one) for slug, of_one in by_service.items()})


def client_with_key_hash(key_hash: str) -> facts.Client | None:
    """Return the facts of the client whose key has this hash, or None; a key that has ended is no key."""
    found = Client.select(Client, Service).join(Service, JOIN.LEFT_OUTER).where(Client.key_hash == key_hash)
    row = found.where(Client.ended_at.is_null()).first()
    return None if row is None else client(row)


def organisation(row: Organisation) -> facts.Organisation:
    """Return the facts of an organisation."""
    return facts.Organisation(row.public_id, interned(row.state), row.time_zone)


def service(row: Service) -> facts.Service:
    """Return the facts of a service."""
    return facts.Service(row.slug, interned(row.state))


def role(row: Role, at: facts.Organisation | None) -> facts.Role:
    """Return the facts of a role as held at organisation `at`; at any organisation where that is None."""
    owner = None if row.service is None else service(row.service)
    return facts.Role(row.slug, owner, at, officers_may_give=row.officers_may_give)


def client(row: Client) -> facts.Client:
    """Return the facts of a client."""
    return facts.Client(
        row.public_id,
        "active" if row.ended_at is None else "ended",
        None if row.service is None else service(row.service),
        tuple(row.kinds),
        bool(row.knows_everybody),
        tuple(row.person_types or ()),
        bool(row.by_address),
    )


def record(kind: type[facts.Record], row: Record) -> facts.Record:
    """Return the facts of a registered resource of a `kind` that the policy declares."""
    return kind(row.public_id, properties(row.properties))
