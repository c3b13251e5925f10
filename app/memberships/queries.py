"""Queries about memberships and grants."""

from collections.abc import Iterable
from typing import Any

from peewee import JOIN, Case, ModelSelect, fn

from app.accounts.models import EmailAddress, Person
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.services.models import Role, Service
from app.vocabulary import USER_MANAGEMENT, MembershipState, PersonState


def membership_with_id(organisation: Organisation, public_id: str) -> Membership | None:
    """Return a membership of `organisation` that has not ended, with its person, or None."""
    found = membership_ever_with_id(organisation, public_id)
    return None if found is None or found.state == MembershipState.ENDED else found


def membership_ever_with_id(organisation: Organisation, public_id: str) -> Membership | None:
    """Return a membership of `organisation`, ended or not, with its person, or None."""
    membership: Membership | None = (
        Membership.select(Membership, Person)
        .join(Person)
        .where(Membership.public_id == public_id, Membership.organisation == organisation)
        .first()
    )
    return membership


def membership_of(person: Person, organisation: Organisation) -> Membership | None:
    """Return the membership of `person` at `organisation`, ended or not, or None."""
    return Membership.get_or_none(Membership.person == person, Membership.organisation == organisation)


def organisations_of(person: Person) -> list[Organisation]:
    """Return the organisations of the memberships of `person` that have not ended, by name."""
    return list(
        Organisation.select()
        .join(Membership)
        .where(Membership.person == person, Membership.state != MembershipState.ENDED)
        .order_by(fn.LOWER(Organisation.name))
    )


def memberships_of(person: Person) -> list[Membership]:
    """Return the memberships of `person` that have not ended, with their organisations, by name."""
    return list(
        Membership.select(Membership, Organisation)
        .join(Organisation)
        .where(Membership.person == person, Membership.state != MembershipState.ENDED)
        .order_by(fn.LOWER(Organisation.name))
    )


def memberships_at(organisation: Organisation, search: str = "") -> "ModelSelect[Membership]":
    """Return the memberships of `organisation` that have not ended, with person and primary address, by name.

    `search` keeps those whose name or address contains each of its words.
    """
    # The same as `Membership.shown_name`: a name that may not be shown must not be found either.
    is_known = (Membership.added_as == "") | (Person.last_sign_in_at >= Membership.created_at)
    shown_name = fn.LOWER(Case(None, [(is_known, Person.name)], Membership.added_as))
    query = (
        Membership.select(Membership, Person, EmailAddress)
        .join(Person)
        .join(EmailAddress, on=((EmailAddress.person == Person.id) & EmailAddress.primary), attr="mail")
        .where(Membership.organisation == organisation, Membership.state != MembershipState.ENDED)
        .order_by(shown_name, Membership.id)
    )
    for word in search.lower().split():
        query = query.where(shown_name.contains(word) | EmailAddress.address.contains(word))
    return query


def addresses_at(organisation: Organisation, addresses: list[str]) -> set[str]:
    """Return those of `addresses` that belong to members of `organisation`."""
    query = (
        EmailAddress.select(EmailAddress.address)
        .join(Person)
        .join(Membership)
        .where(
            EmailAddress.address.in_(addresses),
            Membership.organisation == organisation,
            Membership.state != MembershipState.ENDED,
        )
    )
    return {str(row.address) for row in query}


def grants_of(memberships: Iterable[Membership]) -> dict[int, list[Grant]]:
    """Return the grants of several memberships by membership row id, with role, service and giver, in one query."""
    found: dict[int, list[Grant]] = {}
    query = (
        Grant.select(Grant, Role, Service, Person)
        .join(Role)
        .join(Service, JOIN.LEFT_OUTER)
        .switch(Grant)
        .join(Person, JOIN.LEFT_OUTER, on=(Grant.given_by == Person.id))
        .where(Grant.membership.in_([membership.id for membership in memberships]), Role.retired_at.is_null())
        .order_by(Role.service.is_null(is_null=False), Service.name, Role.position, Role.id)
    )
    for grant in query:
        found.setdefault(grant.membership_id, []).append(grant)
    return found


def grants_by_name(membership_ids: Iterable[str]) -> dict[tuple[str, str], Grant]:
    """Return the grants of the memberships with these public ids, with giver, by membership public id and role slug."""
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
    """Return the role slugs that the members of `organisation` among `addresses` hold there, by address."""
    held: dict[str, set[str]] = {address: set() for address in addresses_at(organisation, addresses)}
    rows: Any = (
        Grant.select(EmailAddress.address, Role.slug)
        .join(Role)
        .switch(Grant)
        .join(Membership)
        .join(EmailAddress, on=(EmailAddress.person == Membership.person))
        .where(
            Membership.organisation == organisation,
            EmailAddress.address.in_(list(held)),
            Role.retired_at.is_null(),
        )
        .tuples()
    )
    for address, slug in rows:
        held[address].add(slug)
    return held


def user_managers(organisation: Organisation) -> list[Membership]:
    """Return the active memberships of active people who hold *User management*, with person and address, by name.

    The policy decides whether a grant is in force today.
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
