"""From rows to facts: what the policy is told, read in a fixed number of queries however many rows there are."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from peewee import JOIN

from app.accounts.models import EmailAddress, Person
from app.authz import facts
from app.authz.information.people import (
    Found,
    found_people,
    found_people_after,
    found_person,
    properties,
    word,
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

Row = Person | Membership | Organisation | Service | Role | Client


class Catalogue(NamedTuple):
    """Every service and every role by slug, in their order; the roles as held at any organisation."""

    services: dict[str, facts.Service]
    roles: dict[str, facts.Role]
    roles_of: dict[str, tuple[facts.Role, ...]]
    """By the slug of their service."""


def people(ids: Iterable[int]) -> dict[int, facts.Person]:
    """Return the facts of the people with these row ids, in two queries however many there are.

    Ended memberships are left out: to the policy they never were.
    """
    wanted = list(ids)
    return {row_id: found.person for row_id, found in found_people(Person.id.in_(wanted)).items()} if wanted else {}


def person(row_id: int) -> facts.Person | None:
    """Return the facts of one person by row id, or None."""
    return people([row_id]).get(row_id)


def people_by_public_id(public_id: str) -> Iterator[Found]:
    """Yield the person with this public id, if there is one."""
    yield from found_person(Person.public_id, public_id).values()


def people_by_address(address: str) -> Iterator[Found]:
    """Yield the person with this e-mail address (in normal form), if there is one."""
    yield from found_person(EmailAddress.address, address).values()


def people_after(public_id: str, limit: int) -> Iterator[Found]:
    """Yield up to `limit` people in the order of their public ids, from after `public_id` on."""
    found = found_people_after(public_id, limit)
    yield from sorted(found.values(), key=lambda one: one.person.public_id)


def person_named(name: str) -> facts.Person | None:
    """Return the facts of the person with this public id or e-mail address, or None."""
    by_address = "@" in name
    found = people_by_address(name.strip().lower()) if by_address else people_by_public_id(name)
    return next((one.person for one in found), None)


def memberships(rows: Iterable[Membership]) -> list[facts.Membership | None]:
    """Return the facts of these memberships, in their order; None for one that has ended."""
    rows = list(rows)
    by_id = {
        membership.public_id: membership
        for found in people({row.person_id for row in rows}).values()
        for membership in found.memberships
    }
    return [by_id.get(row.public_id) for row in rows]


def organisation_named(name: str) -> facts.Organisation | None:
    """Return the facts of the organisation with this public id or centre number, or None."""
    row = organisations.organisation_named(name)
    return None if row is None else organisation(row)


def catalogue() -> Catalogue:
    """Return the facts of all services and roles."""
    known = {row.slug: service(row) for row in Service.select().order_by(Service.slug)}
    all_roles = {}
    for row in roles():
        owner = None if row.service is None else known[row.service.slug]
        all_roles[row.slug] = facts.Role(row.slug, owner, None, officers_may_give=row.officers_may_give)
    by_service: dict[str, list[facts.Role]] = {}
    for role_known in all_roles.values():
        if role_known.service is not None:
            by_service.setdefault(role_known.service.slug, []).append(role_known)
    return Catalogue(known, all_roles, {slug: tuple(held) for slug, held in by_service.items()})


def client_with_key_hash(key_hash: str) -> facts.Client | None:
    """Return the facts of the client whose key has this hash, or None; a key that has ended is no key."""
    found = Client.select(Client, Service).join(Service, JOIN.LEFT_OUTER).where(Client.key_hash == key_hash)
    row = found.where(Client.ended_at.is_null()).first()
    return None if row is None else client(row)


def organisation(row: Organisation) -> facts.Organisation:
    """Return the facts of an organisation."""
    return facts.Organisation(row.public_id, word(row.state), row.time_zone)


def service(row: Service) -> facts.Service:
    """Return the facts of a service."""
    return facts.Service(row.slug, word(row.state))


def role(row: Role, at: facts.Organisation | None) -> facts.Role:
    """Return the facts of a role as held at organisation `at`; at any, where that is None."""
    return facts.Role(
        row.slug,
        None if row.service is None else service(row.service),
        at,
        officers_may_give=row.officers_may_give,
    )


def client(row: Client) -> facts.Client:
    """Return the facts of a client."""
    return facts.Client(
        row.public_id,
        "active" if row.ended_at is None else "ended",
        None if row.service is None else service(row.service),
        tuple(row.kinds),
    )


def record(kind: type[facts.Record], row: Record) -> facts.Record:
    """Return the facts of a registered thing of a kind that the policy declares."""
    return kind(row.public_id, properties(row.properties))
