"""The crowd: a large, plausible directory on top of the cast's services, for demonstrations and benchmarks."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any, TypeVar

from peewee import Field, chunked

from app.accounts.activation import INVITATION_LASTS
from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import hash_password
from app.demo import names
from app.kernel import clock
from app.kernel.database import changing, database
from app.kernel.errors import ProblemError
from app.kernel.tokens import hash_token, new_token
from app.memberships.models import Grant, Membership
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.services.models import Role, Service
from app.vocabulary import USER_MANAGEMENT, MembershipState, OrganisationState, PersonState, ServiceState

BIG = "crowd-500"
"""The public id of an organisation with exactly `BIG_SIZE` people, if the crowd is large enough to have it."""
BIG_SIZE = 500
OFFICER_ADDRESS = "officer@crowd.example.org"
"""The address of an exams officer of the first organisation: the big one, if there is one."""
PASSWORD = "correct horse tiles"  # noqa: S105  (of invented people)
"""The password of every active person of the crowd."""

_BATCH = 2000
_IDS_AT_ONCE = 10_000
_CENTRE_NUMBERS = range(10_000, 100_000)
_A_DAY = 24 * 60

T = TypeVar("T")
Row = tuple[Any, ...]


def fill(people: int, organisations: int, *, progress: Callable[[int, int], None], seed: int = 1) -> None:
    """Add `organisations` with `people` altogether, calling `progress(done, people)` after each batch.

    The same `seed` gives the same crowd. Raises `ProblemError` when the crowd is there already, when the cast is
    missing, or when there are fewer people than organisations.
    """
    if EmailAddress.select().where(EmailAddress.address == OFFICER_ADDRESS).exists():
        raise ProblemError("The crowd is there already.")
    if not 1 < organisations <= people:
        raise ProblemError("A crowd needs two organisations or more, and at least one person for each of them.")
    rng = random.Random(seed)  # noqa: S311  (invents people, keeps no secrets)
    big = people >= BIG_SIZE + organisations
    with changing():
        crowd = _Crowd(rng, _add_organisations(rng, organisations, big=big), big=big)
    done = 0
    for homes in chunked(_homes(rng, people, organisations, big=big), _BATCH):
        with changing():
            crowd.add(homes)
        done += len(homes)
        progress(done, people)


def _add_organisations(rng: random.Random, count: int, *, big: bool) -> list[int]:
    """Add organisations and return their row ids; the first one is big if `big`."""
    taken = {row.centre_number for row in Organisation.select(Organisation.centre_number)}
    free = list(islice((number for number in map(str, _CENTRE_NUMBERS) if number not in taken), count))
    if len(free) < count:
        raise ProblemError(f"There are centre numbers for {len(free)} more organisations only.")
    rows: list[Row] = [
        (
            BIG if big and index == 0 else _public_id(rng),
            centre_number,
            f"{rng.choice(names.PLACE_BEGINNINGS)}{rng.choice(names.PLACE_ENDINGS)} {rng.choice(names.SCHOOL_KINDS)}",
            # The first stays active, because one signs in to it.
            OrganisationState.ACTIVE if index == 0 else _one_of(rng, OrganisationState, (98, 1, 1)),
            DEFAULT_TIME_ZONE,
            clock.now() - timedelta(days=1200),
        )
        for index, centre_number in enumerate(free)
    ]
    return _insert_and_find(_ORGANISATION, rows)


def _homes(rng: random.Random, people: int, organisations: int, *, big: bool) -> Iterator[int]:
    """Yield the number of an organisation for each person; the first person of each becomes its exams officer."""
    placed = BIG_SIZE if big else 0
    others = range(1 if big else 0, organisations)
    yield from [0] * placed
    yield from others
    for _ in range(people - placed - len(others)):
        yield rng.choice(others)


@dataclass(frozen=True)
class _Newcomer:
    """A person to be added."""

    home: int
    first_there: bool
    officer: bool
    name: str
    address: str
    state: PersonState


@dataclass(frozen=True)
class _Place:
    """A stored newcomer at an organisation."""

    newcomer: _Newcomer
    person: int
    number: int


class _Crowd:
    """The crowd while it grows. Organisations are numbered from 0; `organisations` holds their row ids."""

    def __init__(self, rng: random.Random, organisations: Sequence[int], *, big: bool) -> None:
        self.rng = rng
        self.organisations = organisations
        # People with a second organisation would make the big one bigger.
        self.open_to_guests = range(1 if big else 0, len(organisations))
        self.count = 0
        self.seen: set[int] = set()
        self.officers: dict[int, int] = {}
        self.password_hash = hash_password(PASSWORD)
        live = list(Role.select().join(Service).where(Service.state == ServiceState.LIVE, Role.officers_may_give))
        own = list(Role.select().where(Role.slug == USER_MANAGEMENT))
        if not own or not live:
            raise ProblemError("A crowd needs services and roles; load the cast first.")
        self.officer_roles = [role.id for role in (*own, *live) if role in own or role.slug.endswith(":exams-officer")]
        self.other_roles = [role.id for role in live if role.id not in self.officer_roles]

    def add(self, homes: Sequence[int]) -> None:
        """Add a person for each of `homes`, with address, memberships, grants and invitation."""
        newcomers = [self._newcomer(home) for home in homes]
        people = list(
            zip(newcomers, _insert_and_find(_PERSON, [self._person(newcomer) for newcomer in newcomers]), strict=True)
        )
        _insert(_ADDRESS, [(person, newcomer.address, True) for newcomer, person in people])
        self.officers |= {newcomer.home: person for newcomer, person in people if newcomer.first_there}
        places = [_Place(newcomer, person, number) for newcomer, person in people for number in self._numbers(newcomer)]
        memberships = _insert_and_find(_MEMBERSHIP, [self._membership(place) for place in places])
        _insert(
            _GRANT,
            [
                grant
                for place, membership in zip(places, memberships, strict=True)
                for grant in self._grants(place, membership)
            ],
        )
        _insert(
            _INVITATION,
            [self._invitation(place) for place in places if place.newcomer.state is PersonState.INVITED],
        )

    def _newcomer(self, home: int) -> _Newcomer:
        self.count += 1
        first_there = home not in self.seen
        self.seen.add(home)
        first, last = self.rng.choice(names.FIRST_NAMES), self.rng.choice(names.LAST_NAMES)
        return _Newcomer(
            home,
            first_there,
            officer=first_there or self._chance(0.04),
            name=f"{first} {last}",
            address=OFFICER_ADDRESS if self.count == 1 else f"{first}.{last}.{self.count}@crowd.example.org".lower(),
            # Each organisation needs an active exams officer.
            state=PersonState.ACTIVE if first_there else _one_of(self.rng, PersonState, (4, 94, 2, 0)),
        )

    def _person(self, newcomer: _Newcomer) -> Row:
        invited = newcomer.state is PersonState.INVITED
        days_here = self.rng.randrange(14) if invited else self.rng.randrange(14, 1000)
        since = clock.now() - timedelta(days=days_here)
        return (
            _public_id(self.rng),
            newcomer.name,
            newcomer.state,
            "" if invited else self.password_hash,
            since,
            None if invited else since,
            None if invited else clock.now() - timedelta(minutes=self.rng.randrange(14 * _A_DAY)),
        )

    def _numbers(self, newcomer: _Newcomer) -> list[int]:
        """Return the numbers of a newcomer's organisations: home, and for a few a second one."""
        second = self.rng.choice(self.open_to_guests)
        return [newcomer.home, second] if self._chance(0.03) and second != newcomer.home else [newcomer.home]

    def _membership(self, place: _Place) -> Row:
        suspended = not place.newcomer.first_there and self._chance(0.01)
        state = MembershipState.SUSPENDED if suspended else MembershipState.ACTIVE
        return _public_id(self.rng), place.person, self.organisations[place.number], state, clock.now(), ""

    def _grants(self, place: _Place, membership: int) -> Iterator[Row]:
        if place.newcomer.officer and place.number == place.newcomer.home:
            roles = self.officer_roles
        else:
            roles = self.rng.sample(self.other_roles, self.rng.randint(1, min(4, len(self.other_roles))))
        giver = self._officer_for(place)
        for role in roles:
            first_day, last_day = (None, None) if place.newcomer.first_there else self._days()
            yield membership, role, first_day, last_day, giver, "", clock.now()

    def _days(self) -> tuple[date | None, date | None]:
        """Return a first and a last day: mostly none, sometimes one in the past or the future."""
        today = clock.now().date()
        first_day = today + timedelta(days=self.rng.randint(-300, 60)) if self._chance(0.04) else None
        since = first_day or today - timedelta(days=150)
        return first_day, since + timedelta(days=self.rng.randrange(300)) if self._chance(0.08) else None

    def _invitation(self, place: _Place) -> Row:
        return (
            hash_token(new_token()),
            place.person,
            self.organisations[place.number],
            self._officer_for(place),
            clock.now(),
            clock.now() + INVITATION_LASTS,
        )

    def _officer_for(self, place: _Place) -> int | None:
        """Return the row id of the exams officer who added a person, None if the operator did."""
        officer = self.officers.get(place.number)
        return None if officer == place.person else officer

    def _chance(self, share: float) -> bool:
        return self.rng.random() < share


_ORGANISATION = (
    Organisation.public_id,
    Organisation.centre_number,
    Organisation.name,
    Organisation.state,
    Organisation.time_zone,
    Organisation.created_at,
)
_PERSON = (
    Person.public_id,
    Person.name,
    Person.state,
    Person.password_hash,
    Person.created_at,
    Person.activated_at,
    Person.last_sign_in_at,
)
_ADDRESS = (EmailAddress.person, EmailAddress.address, EmailAddress.primary)
_MEMBERSHIP = (
    Membership.public_id,
    Membership.person,
    Membership.organisation,
    Membership.state,
    Membership.created_at,
    Membership.added_as,
)
_GRANT = (
    Grant.membership,
    Grant.role,
    Grant.first_day,
    Grant.last_day,
    Grant.given_by,
    Grant.reason,
    Grant.created_at,
)
_INVITATION = (
    Invitation.token_hash,
    Invitation.person,
    Invitation.organisation,
    Invitation.invited_by,
    Invitation.created_at,
    Invitation.ends_at,
)


def _insert(fields: Sequence[Field], rows: Sequence[Row]) -> None:
    """Insert `rows`, whose values are in the order of `fields`.

    Without `insert_many`, which would spend three quarters of the time on building SQL.
    """
    table = fields[0].model._meta.table_name  # noqa: SLF001  (peewee's own name for its public description)
    columns = ", ".join(f'"{field.column_name}"' for field in fields)
    marks = ", ".join([database.param] * len(fields))
    stored = [tuple(field.db_value(value) for field, value in zip(fields, row, strict=True)) for row in rows]
    database.cursor().executemany(f'insert into "{table}" ({columns}) values ({marks})', stored)  # noqa: S608  (names of ours)


def _insert_and_find(fields: Sequence[Field], rows: Sequence[Row]) -> list[int]:
    """Insert `rows`, each beginning with its public id, and return their row ids in the same order."""
    _insert(fields, rows)
    key, ids = fields[0], {}
    for some in chunked([row[0] for row in rows], _IDS_AT_ONCE):
        ids.update(key.model.select(key, key.model.id).where(key.in_(some)).tuples())
    return [ids[row[0]] for row in rows]


def _one_of(rng: random.Random, choices: Iterable[T], weights: Sequence[int]) -> T:
    return rng.choices(list(choices), weights)[0]


def _public_id(rng: random.Random) -> str:
    return f"{rng.getrandbits(96):024x}"
