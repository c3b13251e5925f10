"""From rows to facts: what the policy is told, read in a fixed number of queries however many rows there are."""

from collections.abc import Iterable, Mapping
from typing import Any

from peewee import JOIN

from app.authz import facts
from app.grants.models import Grant, StaffGrant
from app.kernel import clock
from app.kernel.database import reading
from app.organisations.models import Membership, Organisation
from app.people.models import EmailAddress, Person
from app.records.models import Record
from app.services.models import Client, Role, Service
from app.vocabulary import MembershipState

PORTAL = facts.Portal()
PLATFORM = facts.Platform()
GUEST = facts.Guest()

Row = Person | Membership | Organisation | Service | Role | Client


def people(ids: Iterable[int]) -> dict[int, facts.Person]:
    """Return the facts of the people with these row ids, in four queries.

    Ended memberships are left out: to the policy they never were.
    """
    wanted = list(ids)
    with reading():
        found = {
            row.id: facts.Person(row.public_id, row.state, properties=_properties(row.properties))
            for row in Person.select(Person.id, Person.public_id, Person.state, Person.properties).where(
                Person.id.in_(wanted)
            )
        }
        _add_staff_roles(found)
        _add_memberships(found)
    return found


def person(row_id: int) -> facts.Person | None:
    """Return the facts of one person by row id, or None."""
    return people([row_id]).get(row_id)


def person_named(name: str) -> facts.Person | None:
    """Return the facts of the person with this public id or e-mail address, or None."""
    if "@" in name:
        row = EmailAddress.select(EmailAddress.person).where(EmailAddress.address == name.strip().lower()).first()
        return None if row is None else person(row.person_id)
    row = Person.select(Person.id).where(Person.public_id == name).first()
    return None if row is None else person(row.id)


def memberships(rows: Iterable[Membership]) -> list[facts.Membership | None]:
    """Return the facts of these memberships, in their order; None for one that has ended."""
    rows = list(rows)
    by_id = {
        membership.public_id: membership
        for found in people({row.person_id for row in rows}).values()
        for membership in found.memberships
    }
    return [by_id.get(row.public_id) for row in rows]


def organisation(row: Organisation) -> facts.Organisation:
    """Return the facts of an organisation."""
    return facts.Organisation(row.public_id, row.state, row.time_zone)


def service(row: Service) -> facts.Service:
    """Return the facts of a service."""
    return facts.Service(row.slug, row.state)


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
    return kind(row.public_id, _properties(row.properties))


def _properties(values: Mapping[str, Any] | None) -> facts.Properties:
    return facts.Properties(values) if values else facts.NO_PROPERTIES


def _add_staff_roles(found: dict[int, facts.Person]) -> None:
    held: dict[int, list[str]] = {}
    for row in StaffGrant.select(StaffGrant.person, StaffGrant.role).where(StaffGrant.person.in_(list(found))):
        held.setdefault(row.person_id, []).append(str(row.role))
    for row_id, roles in held.items():
        found[row_id].staff_roles = tuple(sorted(roles))


def _add_memberships(found: dict[int, facts.Person]) -> None:
    rows = list(
        Membership.select(Membership, Organisation)
        .join(Organisation)
        .where(Membership.person.in_(list(found)), Membership.state != MembershipState.ENDED)
        .order_by(Membership.id)
    )
    grants = _grants(rows)
    held: dict[int, list[facts.Membership]] = {}
    for row in rows:
        at = organisation(row.organisation)
        held.setdefault(row.person_id, []).append(
            facts.Membership(
                row.public_id,
                found[row.person_id],
                at,
                row.state,
                tuple(_grant(grant, at) for grant in grants.get(row.id, ())),
            )
        )
    for row_id, memberships_held in held.items():
        found[row_id].memberships = tuple(memberships_held)


def _grants(rows: list[Membership]) -> dict[int, list[Grant]]:
    held: dict[int, list[Grant]] = {}
    query = (
        Grant.select(Grant, Role, Service)
        .join(Role)
        .join(Service, JOIN.LEFT_OUTER, on=(Role.service == Service.id))
        .where(Grant.membership.in_([row.id for row in rows]))
        .order_by(Grant.id)
    )
    for grant in query:
        held.setdefault(grant.membership_id, []).append(grant)
    return held


def _grant(row: Grant, at: facts.Organisation) -> facts.Grant:
    return facts.Grant(
        role(row.role, at),
        None if row.first_day is None else clock.start_of_day(row.first_day, at.time_zone),
        None if row.last_day is None else clock.end_of_day(row.last_day, at.time_zone),
    )
