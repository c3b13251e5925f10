"""Loads people from rows to facts: state, memberships, grants and staff roles, in two queries however many they are."""

import json
from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Expression, Field, fn

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
"""SQL with its parameters."""

_MANY = 2_000
"""So many grants of one service are many."""

PersonRow = tuple[Any, ...]
"""A person with one of their grants, in the order of the columns in `_queries`; a person without grants has one row
that ends in nulls."""


class LoadedPerson(NamedTuple):
    """A person, and the e-mail addresses under which callers may name them."""

    person: facts.Person
    addresses: tuple[str, ...]


def load_people(condition: Expression) -> dict[int, LoadedPerson]:
    """Return the people who meet a `condition` on `Person`, by row id.

    Memberships that have ended are left out: to the policy they do not exist.
    """
    return _execute(*(query.sql() for query in _queries(condition)))


def load_person(field: Field, value: str) -> dict[int, LoadedPerson]:
    """Return the person whose public id or e-mail address (a `field`) is `value`, by row id."""
    return _execute(*_with_parameter(_sql_for_one(field, database.obj.__class__), value))


def load_people_after(public_id: str, limit: int) -> dict[int, LoadedPerson]:
    """Return up to `limit` people whose public ids come next after `public_id`, by row id."""
    following = Person.select(Person.id).where(Person.public_id > public_id).order_by(Person.public_id).limit(limit)
    return load_people(Person.id.in_(following))


def load_holders_after(service: str, organisation: str | None, public_id: str, limit: int) -> dict[int, LoadedPerson]:
    """Return up to `limit` people whose public ids come next after `public_id`, by row id.

    Only those who hold or held a role of the service with the slug `service`, at the organisation with the public id
    `organisation` if it is not None.
    """
    grants = (
        Grant.select(Membership.person)
        .join(Membership)
        .switch(Grant)
        .join(Role)
        .join(Service)
        .where(Service.slug == service, Role.retired_at.is_null(), Membership.state != MembershipState.ENDED)
    )
    if organisation is not None:
        at = Organisation.select(Organisation.id).where(Organisation.public_id == organisation)
        grants = grants.where(Membership.organisation == at)
    found = Person.select(Person.id).where(Person.public_id > public_id).order_by(Person.public_id).limit(limit)
    # Few are quickly sorted. Of many, the next are quickly met on the way through all people in their order.
    if grants.limit(_MANY).count() < _MANY:
        found = found.where(Person.id.in_(grants))
    else:
        found = found.where(fn.EXISTS(grants.where(Membership.person == Person.id)))
    # Named, because PostgreSQL would not begin with them in a subquery that has a limit.
    ids: list[int] = [person.id for person in found]
    return load_people(Person.id.in_(ids)) if ids else {}


def interned(text: str) -> str:
    """Return a text that many facts hold, such as a state, as one shared string.

    A member of an enumeration comes back as a plain string: a recorded decision takes nothing else for a text.
    """
    return intern(str.__str__(text))


def properties(values: Any) -> facts.Properties:
    """Return stored properties as a fact; SQLite returns them as text, PostgreSQL decoded."""
    if not values:
        return facts.NO_PROPERTIES
    return facts.Properties(json.loads(values) if isinstance(values, str) else values)


# peewee takes longer to write SQL than the database to answer it, so the SQL that decisions wait for is written once.

_PLACEHOLDER = "\0"
"""Stands where the parameter will be; no public id and no address can contain it."""


@cache
def _sql_for_one(field: Field, _database_class: type) -> list[Statement]:
    owner = EmailAddress.select(EmailAddress.person).where(EmailAddress.address == _PLACEHOLDER)
    condition = Person.id == owner if field is EmailAddress.address else field == _PLACEHOLDER
    return [query.sql() for query in _queries(condition)]


def _with_parameter(statements: list[Statement], value: str) -> Iterator[Statement]:
    for sql, parameters in statements:
        yield sql, [value if one is _PLACEHOLDER else one for one in parameters]


def _queries(condition: Expression) -> tuple[Any, Any]:
    """Return the query for people with their grants, and that for their addresses and staff roles."""
    has_not_ended = (Membership.person == Person.id) & (Membership.state != MembershipState.ENDED)
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
        .join(Membership, JOIN.LEFT_OUTER, on=has_not_ended)
        .join(Organisation, JOIN.LEFT_OUTER)
        .join_from(Membership, Grant, JOIN.LEFT_OUTER)
        .join(Role, JOIN.LEFT_OUTER, on=(Grant.role == Role.id) & Role.retired_at.is_null())
        .join(Service, JOIN.LEFT_OUTER)
        .where(condition)
        .order_by(Person.id, Membership.id, Grant.id)
    )
    addresses = EmailAddress.select(EmailAddress.person, EmailAddress.address, SQL("null"))
    staff_roles = StaffGrant.select(StaffGrant.person, SQL("null"), StaffGrant.role)
    return people, addresses.join(Person).where(condition).union_all(staff_roles.join(Person).where(condition))


def _execute(people: Statement, details: Statement) -> dict[int, LoadedPerson]:
    with reading():
        rows = list(database.execute_sql(*people))
        detail_rows = list(database.execute_sql(*details))
    addresses: dict[int, list[str]] = {}
    staff_roles: dict[int, list[str]] = {}
    for row_id, address, staff_role in detail_rows:
        if address is None:
            staff_roles.setdefault(row_id, []).append(interned(staff_role))
        else:
            addresses.setdefault(row_id, []).append(address)
    loaded: dict[int, LoadedPerson] = {}
    for row_id, group in groupby(rows, itemgetter(0)):
        person = _person(list(group), tuple(sorted(staff_roles.get(row_id, ()))))
        loaded[row_id] = LoadedPerson(person, tuple(addresses.get(row_id, ())))
    return loaded


def _person(rows: list[PersonRow], staff_roles: tuple[str, ...]) -> facts.Person:
    _row_id, public_id, state, stored_properties, *_rest = rows[0]
    person = facts.Person(public_id, interned(state), staff_roles, properties(stored_properties))
    return facts.with_memberships(person, lambda owner: _memberships(owner, rows))


def _memberships(person: facts.Person, rows: list[PersonRow]) -> Iterator[facts.Membership]:
    for public_id, group in groupby(rows, itemgetter(4)):
        if public_id is None:
            return
        held = list(group)
        state, organisation_id, organisation_state, time_zone = held[0][5:9]
        organisation = facts.Organisation(interned(organisation_id), interned(organisation_state), interned(time_zone))
        grants = tuple(_grant(organisation, row) for row in held if row[9] is not None)
        yield facts.Membership(public_id, person, organisation, interned(state), grants)


def _grant(organisation: facts.Organisation, row: PersonRow) -> facts.Grant:
    slug, officers_may_give, service_slug, service_state, first_day, last_day = row[9:]
    service = None if service_slug is None else _service(service_slug, service_state)
    return facts.Grant(
        facts.Role(interned(slug), service, organisation, officers_may_give=bool(officers_may_give)),
        None if first_day is None else clock.start_of_day(_day(first_day), organisation.time_zone),
        None if last_day is None else clock.end_of_day(_day(last_day), organisation.time_zone),
    )


@lru_cache(maxsize=1_000)
def _service(slug: str, state: str) -> facts.Service:
    """Return the one fact for a service in this state, shared by all who hold a role of it."""
    return facts.Service(interned(slug), interned(state))


def _day(stored: date | str) -> date:
    """Return a day from what SQLite (text) or PostgreSQL (a date) returns."""
    return date.fromisoformat(stored) if isinstance(stored, str) else stored
