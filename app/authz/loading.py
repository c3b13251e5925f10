"""From rows to people: who somebody is, where they belong and what they hold, in two queries however many they are."""

import json
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Expression, Field

from app.authz import facts
from app.grants.models import Grant, StaffGrant
from app.kernel import clock
from app.kernel.database import database, reading
from app.organisations.models import Membership, Organisation
from app.people.models import EmailAddress, Person
from app.services.models import Role, Service
from app.vocabulary import MembershipState

Statement = tuple[str, list[Any]]
"""SQL with its values."""


class Found(NamedTuple):
    """A person, and the addresses under which callers may name them."""

    person: facts.Person
    addresses: tuple[str, ...]


class _Row(NamedTuple):
    """A person with one of their grants; the rest is nothing for somebody without any."""

    person_id: int
    person: str
    person_state: str
    properties: Any
    membership: str | None
    membership_state: str
    place: str
    place_state: str
    time_zone: str
    role: str | None
    officers_may_give: bool
    service: str | None
    service_state: str
    first_day: date | str | None
    last_day: date | str | None


class _Held(NamedTuple):
    """A membership, with its grants so far."""

    organisation: facts.Organisation
    state: str
    grants: list[facts.Grant]


def found_people(which: Expression) -> dict[int, Found]:
    """Return the people for whom the condition `which` holds, by row id.

    Ended memberships are left out: to the policy they never were.
    """
    return _read(*(query.sql() for query in _queries(which)))


def found_person(field: Field, value: str) -> dict[int, Found]:
    """Return the person whose public id or e-mail address (a `field`) is `value`, by row id.

    For the one query that decisions wait for: to write its SQL takes peewee longer than to answer it takes the
    database, so it is written once.
    """
    people, more = (
        (sql, [value if one is _VALUE else one for one in values])
        for sql, values in _written(field, database.obj.__class__)
    )
    return _read(people, more)


_VALUE = "\0"
"""Stands where the value will be; no name and no address can hold it."""


@cache
def _written(field: Field, _kind_of_database: type) -> list[Statement]:
    owner = EmailAddress.select(EmailAddress.person).where(EmailAddress.address == _VALUE)
    which = Person.id == owner if field is EmailAddress.address else field == _VALUE
    return [query.sql() for query in _queries(which)]


def _read(people: Statement, more: Statement) -> dict[int, Found]:
    with reading():
        rows = [_Row(*row) for row in database.execute_sql(*people)]
        more_rows = list(database.execute_sql(*more))
    addresses: dict[int, list[str]] = {}
    staff_roles: dict[int, list[str]] = {}
    for row_id, address, staff_role in more_rows:
        if address is None:
            staff_roles.setdefault(row_id, []).append(word(staff_role))
        else:
            addresses.setdefault(row_id, []).append(address)
    found: dict[int, Found] = {}
    held: dict[int, dict[str, _Held]] = {}
    shared = _Shared()
    for row in rows:
        row_id = row.person_id
        if row_id not in found:
            person = facts.Person(
                row.person,
                word(row.person_state),
                tuple(sorted(staff_roles.get(row_id, ()))),
                properties(row.properties),
            )
            found[row_id] = Found(person, tuple(addresses.get(row_id, ())))
            held[row_id] = {}
        shared.add_row(held[row_id], row)
    for row_id, (person, _addresses) in found.items():
        person.memberships = tuple(
            facts.Membership(public_id, person, one.organisation, one.state, tuple(one.grants))
            for public_id, one in held[row_id].items()
        )
    return found


def word(state: Any) -> str:
    """Return a member of an enumeration as its word: a recorded decision takes nothing else for a text."""
    return str.__str__(state)


def properties(values: Any) -> facts.Properties:
    """Return stored properties as a fact; SQLite has them as text, PostgreSQL as they are."""
    if not values:
        return facts.NO_PROPERTIES
    return facts.Properties(json.loads(values) if isinstance(values, str) else values)


class _Shared:
    """The things that people of one reading have in common: one fact for each, however many hold it."""

    def __init__(self) -> None:
        self._organisations: dict[str, facts.Organisation] = {}
        self._services: dict[str, facts.Service] = {}
        self._roles: dict[tuple[str, str], facts.Role] = {}

    def add_row(self, held: dict[str, _Held], row: "_Row") -> None:
        """Add the grant of `row` to what is `held` through its membership."""
        if row.membership is None:
            return
        at = self._organisations.get(row.place)
        if at is None:
            at = self._organisations[row.place] = facts.Organisation(row.place, word(row.place_state), row.time_zone)
        if row.membership not in held:
            held[row.membership] = _Held(at, word(row.membership_state), [])
        if row.role is None:
            return
        role = self._roles.get((row.role, row.place))
        if role is None:
            owner = None if row.service is None else self._service(row.service, row.service_state)
            role = facts.Role(row.role, owner, at, officers_may_give=bool(row.officers_may_give))
            self._roles[row.role, row.place] = role
        held[row.membership].grants.append(
            facts.Grant(
                role,
                None if row.first_day is None else clock.start_of_day(_day(row.first_day), row.time_zone),
                None if row.last_day is None else clock.end_of_day(_day(row.last_day), row.time_zone),
            )
        )

    def _service(self, slug: str, state: str) -> facts.Service:
        if slug not in self._services:
            self._services[slug] = facts.Service(slug, word(state))
        return self._services[slug]


def _queries(which: Expression) -> tuple[Any, Any]:
    """Return the query for the people with all that they hold, and that for their addresses and staff roles."""
    held = (Membership.person == Person.id) & (Membership.state != MembershipState.ENDED)
    people = (
        Person.select(
            Person.id,
            Person.public_id,
            Person.state,
            Person.properties,
            Membership.public_id,
            Membership.state,
            Organisation.public_id,
            Organisation.state,
            Organisation.time_zone,
            Role.slug,
            Role.officers_may_give,
            Service.slug,
            Service.state,
            Grant.first_day,
            Grant.last_day,
        )
        .join(Membership, JOIN.LEFT_OUTER, on=held)
        .join(Organisation, JOIN.LEFT_OUTER)
        .join_from(Membership, Grant, JOIN.LEFT_OUTER)
        .join(Role, JOIN.LEFT_OUTER)
        .join(Service, JOIN.LEFT_OUTER)
        .where(which)
        .order_by(Person.id, Membership.id, Grant.id)
    )
    addresses = EmailAddress.select(EmailAddress.person, EmailAddress.address, SQL("null")).join(Person).where(which)
    staff_roles = StaffGrant.select(StaffGrant.person, SQL("null"), StaffGrant.role).join(Person).where(which)
    return people, addresses.union_all(staff_roles)


def _day(stored: date | str) -> date:
    """Return a day as SQLite (a text) or PostgreSQL has it."""
    return date.fromisoformat(stored) if isinstance(stored, str) else stored
