"""From rows to people: who somebody is, where they belong and what they hold, in two queries however many they are."""

import json
from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Expression, Field

from app.accounts.models import EmailAddress, Person
from app.authz import facts
from app.kernel import clock
from app.kernel.database import database, reading
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.services.models import Role, Service
from app.staff.models import StaffGrant
from app.vocabulary import MembershipState

Statement = tuple[str, list[Any]]
"""SQL with its values."""

Row = tuple[Any, ...]
"""A person with one of their grants, as `_queries` names the columns; the rest is nothing for somebody without any."""


class Found(NamedTuple):
    """A person, and the addresses under which callers may name them."""

    person: facts.Person
    addresses: tuple[str, ...]


def found_people(which: Expression) -> dict[int, Found]:
    """Return the people for whom the condition `which` holds, by row id.

    Ended memberships are left out: to the policy they never were.
    """
    return _read(*(query.sql() for query in _queries(which)))


def found_person(field: Field, value: str) -> dict[int, Found]:
    """Return the person whose public id or e-mail address (a `field`) is `value`, by row id."""
    return _read(*_filled(_written_for_one(field, database.obj.__class__), value))


def found_people_after(public_id: str, limit: int) -> dict[int, Found]:
    """Return up to `limit` people whose public ids come next after `public_id`, by row id."""
    return _read(*_filled(_written_for_next(limit, database.obj.__class__), public_id))


def word(text: str) -> str:
    """Return a text that many facts have, such as a state, so that they share it.

    A member of an enumeration comes back as its word: a recorded decision takes nothing else for a text.
    """
    return intern(str.__str__(text))


def properties(values: Any) -> facts.Properties:
    """Return stored properties as a fact; SQLite has them as text, PostgreSQL as they are."""
    if not values:
        return facts.NO_PROPERTIES
    return facts.Properties(json.loads(values) if isinstance(values, str) else values)


# To write SQL takes peewee longer than to answer it takes the database, so what decisions wait for is written once.

_VALUE = "\0"
"""Stands where the value will be; no name and no address can hold it."""


@cache
def _written_for_one(field: Field, _kind_of_database: type) -> list[Statement]:
    owner = EmailAddress.select(EmailAddress.person).where(EmailAddress.address == _VALUE)
    which = Person.id == owner if field is EmailAddress.address else field == _VALUE
    return [query.sql() for query in _queries(which)]


@lru_cache(maxsize=16)
def _written_for_next(limit: int, _kind_of_database: type) -> list[Statement]:
    following = Person.select(Person.id).where(Person.public_id > _VALUE).order_by(Person.public_id).limit(limit)
    return [query.sql() for query in _queries(Person.id.in_(following))]


def _filled(written: list[Statement], value: str) -> Iterator[Statement]:
    for sql, values in written:
        yield sql, [value if one is _VALUE else one for one in values]


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


def _read(people: Statement, more: Statement) -> dict[int, Found]:
    with reading():
        rows = list(database.execute_sql(*people))
        more_rows = list(database.execute_sql(*more))
    addresses: dict[int, list[str]] = {}
    staff_roles: dict[int, list[str]] = {}
    for row_id, address, staff_role in more_rows:
        if address is None:
            staff_roles.setdefault(row_id, []).append(word(staff_role))
        else:
            addresses.setdefault(row_id, []).append(address)
    found: dict[int, Found] = {}
    for row_id, own_rows in groupby(rows, itemgetter(0)):
        held = list(own_rows)
        _row_id, public_id, state, told, *_rest = held[0]
        person = facts.Person(public_id, word(state), tuple(sorted(staff_roles.get(row_id, ()))), properties(told))
        person.memberships = tuple(_memberships(person, held))
        found[row_id] = Found(person, tuple(addresses.get(row_id, ())))
    return found


def _memberships(person: facts.Person, rows: list[Row]) -> Iterator[facts.Membership]:
    for public_id, own_rows in groupby(rows, itemgetter(4)):
        if public_id is None:
            return
        held = list(own_rows)
        state, place, place_state, time_zone = held[0][5:9]
        at = facts.Organisation(word(place), word(place_state), word(time_zone))
        grants = tuple(_grant(at, row) for row in held if row[9] is not None)
        yield facts.Membership(public_id, person, at, word(state), grants)


def _grant(at: facts.Organisation, row: Row) -> facts.Grant:
    slug, officers_may_give, service, service_state, first_day, last_day = row[9:]
    owner = None if service is None else _service(service, service_state)
    return facts.Grant(
        facts.Role(word(slug), owner, at, officers_may_give=bool(officers_may_give)),
        None if first_day is None else clock.start_of_day(_day(first_day), at.time_zone),
        None if last_day is None else clock.end_of_day(_day(last_day), at.time_zone),
    )


@lru_cache(maxsize=1_000)
def _service(slug: str, state: str) -> facts.Service:
    """Return the one fact for a service in this state, whoever has a role of it."""
    return facts.Service(word(slug), word(state))


def _day(stored: date | str) -> date:
    """Return a day as SQLite (a text) or PostgreSQL has it."""
    return date.fromisoformat(stored) if isinstance(stored, str) else stored
