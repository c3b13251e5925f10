"""Facts: what Polar sees. Frozen, plain objects, never database models.

`FIELDS` declares, for every kind of fact, which fields a policy may read and what each holds. Nothing else
can be read: the engine refuses it when asked, and the load check refuses a policy that tries.

Facts compare by kind and key, so the same person loaded twice is one person. Collections are tuples: Polar
then asks for one element at a time.
"""

from datetime import datetime
from typing import Any, ClassVar

from app.kernel import clock


class Fact:
    """One thing that a policy can speak about."""

    __slots__ = ("_hash", "_key")
    FIELDS: ClassVar[dict[str, str]] = {}
    """Field name to the kind of what it holds: `String`, `Boolean`, a fact's name, `[Fact]` for a collection of
    them, `Fact?` where it may be nil."""

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


class Guest(Fact):
    """Nobody: whoever has not signed in."""

    __slots__ = ()


class Organisation(Fact):
    """A school or college."""

    __slots__ = ("public_id", "state", "time_zone")
    FIELDS: ClassVar[dict[str, str]] = {"state": "String"}

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

    __slots__ = ("ends_at", "role", "starts_at")
    FIELDS: ClassVar[dict[str, str]] = {"role": "Role", "in_force": "Boolean"}

    def __init__(self, role: Role, starts_at: datetime | None, ends_at: datetime | None) -> None:
        super().__init__(role, starts_at, ends_at)
        self.role = role
        self.starts_at = starts_at
        self.ends_at = ends_at

    @property
    def in_force(self) -> bool:
        """Whether the grant holds at the moment of the decision."""
        moment = clock.now()
        return (self.starts_at is None or self.starts_at <= moment) and (self.ends_at is None or moment < self.ends_at)


class Person(Fact):
    """A human with an account, with all memberships that have not ended."""

    __slots__ = ("memberships", "public_id", "staff_roles", "state")
    FIELDS: ClassVar[dict[str, str]] = {
        "state": "String",
        "memberships": "[Membership]",
        "staff_roles": "[String]",
    }

    def __init__(self, public_id: str, state: str, staff_roles: tuple[str, ...] = ()) -> None:
        super().__init__(public_id)
        self.public_id = public_id
        self.state = state
        self.staff_roles = staff_roles
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
    """The request's own facts: the organisation acted in (None: any)."""

    __slots__ = ("organisation",)
    FIELDS: ClassVar[dict[str, str]] = {"organisation": "Organisation?"}

    def __init__(self, organisation: Organisation | None = None) -> None:
        super().__init__(organisation)
        self.organisation = organisation


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
        Role,
        Service,
    )
}
"""Every kind of fact by the name that policies use."""


def read(fact: Fact, field: str) -> Any:
    """Return a declared field of `fact`. Raises LookupError when it is not declared."""
    if field not in type(fact).FIELDS:
        raise LookupError(f"{type(fact).__name__} has no field {field}")
    return getattr(fact, field)
