"""Facts: what Polar sees. Frozen, plain objects, never database models.

`FIELDS` declares, for every kind of fact, which fields a policy may read and what each holds. Nothing else
can be read: the engine refuses it when asked, and the load check refuses a policy that tries.

Facts compare by kind and key, so the same person loaded twice is one person. Collections are tuples: Polar
then asks for one element at a time.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from math import inf
from typing import Any, ClassVar


class Fact:
    """One thing that a policy can speak about."""

    __slots__ = ("_hash", "_key")
    FIELDS: ClassVar[dict[str, str]] = {}
    """Field name to the kind of what it holds: `String`, `Boolean`, a fact's name, `[Fact]` for a collection of
    them, `Fact?` where it may be nil."""
    TIMED: ClassVar[frozenset[str]] = frozenset()
    """The fields that are worked out from the moment of the decision (seconds since 1970), which they take."""

    def __init__(self, *key: object) -> None:
        self._key = (type(self).__name__, *key)
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fact) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        # Engines put this into messages; it must never carry personal data.
        return f"<{type(self).__name__}>"


class Properties(Fact):
    """Named values of any JSON kind, told by a caller or registered with a thing. One that was not told is nil."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(id(self))
        self._values = dict(values)

    def get(self, name: str) -> Any:
        """Return a value as rules see it: an object as properties of its own, an array as a collection."""
        value = self._values.get(name)
        if isinstance(value, dict | list):
            value = self._values[name] = _as_rules_see(value)
        return value

    def with_values(self, values: Mapping[str, Any]) -> "Properties":
        """Return these properties with those of `values` in the place of their own."""
        return Properties(self._values | dict(values)) if values else self


NO_PROPERTIES = Properties({})


class Guest(Fact):
    """Nobody: whoever has not signed in."""

    __slots__ = ()


class Organisation(Fact):
    """A school or college."""

    __slots__ = ("public_id", "state", "time_zone")
    FIELDS: ClassVar[dict[str, str]] = {"public_id": "String", "state": "String"}

    def __init__(self, public_id: str, state: str, time_zone: str) -> None:
        super().__init__(public_id)
        self.public_id = public_id
        self.state = state
        self.time_zone = time_zone


class Service(Fact):
    """What a tile opens."""

    __slots__ = ("slug", "state")
    FIELDS: ClassVar[dict[str, str]] = {"slug": "String", "state": "String"}

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(slug)
        self.slug = slug
        self.state = state


class Role(Fact):
    """A role as it can be held at one organisation; at any organisation where `organisation` is None."""

    __slots__ = ("officers_may_give", "organisation", "service", "slug")
    FIELDS: ClassVar[dict[str, str]] = {
        "slug": "String",
        "service": "Service?",
        "organisation": "Organisation?",
        "officers_may_give": "Boolean",
    }

    def __init__(
        self, slug: str, service: Service | None, organisation: Organisation | None, *, officers_may_give: bool
    ) -> None:
        super().__init__(slug, organisation)
        self.slug = slug
        self.service = service
        self.organisation = organisation
        self.officers_may_give = officers_may_give


class Grant(Fact):
    """A role held through a membership, from `starts_at` until before `ends_at` (UTC, both optional)."""

    __slots__ = ("_from", "_until", "ends_at", "role", "starts_at")
    FIELDS: ClassVar[dict[str, str]] = {"role": "Role", "in_force": "Boolean"}
    TIMED = frozenset({"in_force"})

    def __init__(self, role: Role, starts_at: datetime | None, ends_at: datetime | None) -> None:
        super().__init__(role, starts_at, ends_at)
        self.role = role
        self.starts_at = starts_at
        self.ends_at = ends_at
        # Numbers compare many times faster than moments.
        self._from = -inf if starts_at is None else starts_at.timestamp()
        self._until = inf if ends_at is None else ends_at.timestamp()

    def in_force(self, now: float) -> bool:
        """Return whether the grant holds at `now`."""
        return self._from <= now < self._until


class Person(Fact):
    """A human with an account, with all memberships that have not ended."""

    __slots__ = ("memberships", "properties", "public_id", "staff_roles", "state")
    FIELDS: ClassVar[dict[str, str]] = {
        "public_id": "String",
        "state": "String",
        "memberships": "[Membership]",
        "staff_roles": "[String]",
        "properties": "Properties",
    }

    def __init__(
        self,
        public_id: str,
        state: str,
        staff_roles: tuple[str, ...] = (),
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        super().__init__(public_id)
        self.public_id = public_id
        self.state = state
        self.staff_roles = staff_roles
        self.properties = properties
        # Filled once by whoever builds the person: a membership names its person, so it comes second.
        self.memberships: tuple[Membership, ...] = ()


class Membership(Fact):
    """A person at an organisation, with the roles held there."""

    __slots__ = ("grants", "organisation", "person", "public_id", "state")
    FIELDS: ClassVar[dict[str, str]] = {
        "person": "Person",
        "organisation": "Organisation",
        "state": "String",
        "grants": "[Grant]",
    }

    def __init__(
        self, public_id: str, person: Person, organisation: Organisation, state: str, grants: tuple[Grant, ...]
    ) -> None:
        super().__init__(public_id)
        self.public_id = public_id
        self.person = person
        self.organisation = organisation
        self.state = state
        self.grants = grants


class Client(Fact):
    """A program that calls the decision API for one service."""

    __slots__ = ("kinds", "public_id", "service", "state")
    FIELDS: ClassVar[dict[str, str]] = {"state": "String", "service": "Service?", "kinds": "[String]"}

    def __init__(self, public_id: str, state: str, service: Service | None, kinds: tuple[str, ...]) -> None:
        super().__init__(public_id)
        self.public_id = public_id
        self.state = state
        self.service = service
        self.kinds = kinds


class Portal(Fact):
    """The pages everybody comes through."""

    __slots__ = ()


class Platform(Fact):
    """What the operator's staff look after."""

    __slots__ = ()


class Evaluation(Fact):
    """A question that a client puts to the decision API: about which kind of thing, of which service."""

    __slots__ = ("kind", "service")
    FIELDS: ClassVar[dict[str, str]] = {"kind": "String", "service": "Service?"}

    def __init__(self, kind: str, service: Service | None) -> None:
        super().__init__(kind, service)
        self.kind = kind
        self.service = service


class Context(Fact):
    """The request's own facts: the organisation acted in (None: any), and what it tells of the action and of itself."""

    __slots__ = ("action", "organisation", "request")
    FIELDS: ClassVar[dict[str, str]] = {
        "organisation": "Organisation?",
        "action": "Properties",
        "request": "Properties",
    }

    def __init__(
        self,
        organisation: Organisation | None = None,
        action: Properties = NO_PROPERTIES,
        request: Properties = NO_PROPERTIES,
    ) -> None:
        super().__init__(organisation, action, request)
        self.organisation = organisation
        self.action = action
        self.request = request


class Record(Fact):
    """A thing that the directory itself does not hold, of a kind that only a policy declares."""

    __slots__ = ("id", "properties")
    FIELDS: ClassVar[dict[str, str]] = {"id": "String", "properties": "Properties"}

    def __init__(self, id: str, properties: Properties = NO_PROPERTIES) -> None:  # noqa: A002  (what everybody calls it)
        super().__init__(id)
        self.id = id
        self.properties = properties


KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind
    for kind in (
        Client,
        Context,
        Evaluation,
        Grant,
        Guest,
        Membership,
        Organisation,
        Person,
        Platform,
        Portal,
        Properties,
        Role,
        Service,
    )
}
"""Every kind of fact by the name that policies use."""


@cache
def declared_kind(name: str) -> type[Record]:
    """Return the kind of fact for a resource block `name` that stands in a policy alone."""
    return type(name, (Record,), {"__slots__": (), "__doc__": f"A {name}, as a policy declares it."})


def read(fact: Any, field: str, now: float) -> Any:
    """Return a declared field of `fact` at `now` (seconds since 1970). Raises LookupError when it is not declared."""
    kind = type(fact)
    if kind is Properties:
        return fact.get(field)
    if field not in kind.FIELDS:
        raise LookupError(f"{kind.__name__} has no field {field}")
    value = getattr(fact, field)
    return value(now) if field in kind.TIMED else value


def _as_rules_see(value: Any) -> Any:
    if isinstance(value, dict):
        return Properties(value)
    if isinstance(value, list):
        return tuple(_as_rules_see(element) for element in value)
    return value
