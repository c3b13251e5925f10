"""Questions about grants."""

from collections.abc import Iterable
from typing import Any

from peewee import JOIN

from app.accounts.models import EmailAddress, Person
from app.memberships.models import Grant, StaffGrant
from app.organisations.models import Membership, Organisation
from app.organisations.queries import addresses_at
from app.services.models import Role, Service
from app.vocabulary import USER_MANAGEMENT, MembershipState, PersonState


def grants_of(memberships: Iterable[Membership]) -> dict[int, list[Grant]]:
    """Return the grants of several memberships by membership row id, with role, service and giver, in one query."""
    found: dict[int, list[Grant]] = {}
    query = (
        Grant.select(Grant, Role, Service, Person)
        .join(Role)
        .join(Service, JOIN.LEFT_OUTER)
        .switch(Grant)
        .join(Person, JOIN.LEFT_OUTER, on=(Grant.given_by == Person.id))
        .where(Grant.membership.in_([membership.id for membership in memberships]))
        .order_by(Role.service.is_null(is_null=False), Service.name, Role.position, Role.id)
    )
    for grant in query:
        found.setdefault(grant.membership_id, []).append(grant)
    return found


def grants_by_name(membership_ids: Iterable[str]) -> dict[tuple[str, str], Grant]:
    """Return the grants of the memberships with these public ids, by membership and slug of the role, with giver."""
    query = (
        Grant.select(Grant, Role, Membership, Organisation, Person)
        .join(Role)
        .switch(Grant)
        .join(Membership)
        .join(Organisation)
        .switch(Grant)
        .join(Person, JOIN.LEFT_OUTER, on=(Grant.given_by == Person.id))
        .where(Membership.public_id.in_(list(membership_ids)))
    )
    return {(grant.membership.public_id, grant.role.slug): grant for grant in query}


def roles_by_address(organisation: Organisation, addresses: list[str]) -> dict[str, set[str]]:
    """Return the slugs of the roles held by those of `addresses` whose people are users of `organisation`."""
    held: dict[str, set[str]] = {address: set() for address in addresses_at(organisation, addresses)}
    rows: Any = (
        Grant.select(EmailAddress.address, Role.slug)
        .join(Role)
        .switch(Grant)
        .join(Membership)
        .join(EmailAddress, on=(EmailAddress.person == Membership.person))
        .where(Membership.organisation == organisation, EmailAddress.address.in_(list(held)))
        .tuples()
    )
    for address, slug in rows:
        held[address].add(slug)
    return held


def is_staff(person: Person) -> bool:
    """Return whether `person` works for the operator, in whatever role. What that lets them do is for the policy."""
    return StaffGrant.select().where(StaffGrant.person == person).exists()


def user_managers(organisation: Organisation) -> list[Membership]:
    """Return the active memberships of active people who hold *User management*, with person and address, by name.

    Whether a grant is in force today is for the policy to say.
    """
    return list(
        Membership.select(Membership, Person, EmailAddress)
        .join(Person)
        .join(EmailAddress, on=((EmailAddress.person == Person.id) & EmailAddress.primary), attr="mail")
        .switch(Membership)
        .join(Grant)
        .join(Role)
        .where(
            Membership.organisation == organisation,
            Membership.state == MembershipState.ACTIVE,
            Person.state == PersonState.ACTIVE,
            Role.slug == USER_MANAGEMENT,
        )
        .order_by(Person.name)
    )
