"""Facts: what Polar sees. Frozen, plain values, never database models.

The annotations of a fact say which fields a policy may read and what each holds; a field that is marked `hidden()` no
policy may read. The engine refuses everything else that a rule asks for, and the linter refuses a policy that tries.

Facts compare by class and key, so the same person loaded twice is one person, whatever has changed in between. A cache
must therefore be keyed by the identity of a fact or by all its values, never by the fact. Collections are tuples: Polar
then asks for one element at a time.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from math import inf
from types import UnionType
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

_HIDDEN = "hidden"
_TYPES: dict[object, str] = {str: "String", bool: "Boolean"}
_set = object.__setattr__

T = TypeVar("T", bound="Fact")


def hidden(**options: Any) -> Any:
    """Return a dataclass field that no policy may read; `options` as for `dataclasses.field`."""
    return field(metadata={_HIDDEN: True}, **options)


def timed(method: Callable[[Any, float], Any]) -> Callable[[Any, float], Any]:
    """Mark a method as a field that policies read without arguments; it takes the moment in seconds since 1970."""
    method.is_timed = True  # type: ignore[attr-defined]  # an attribute of ours
    return method


class Fact:
    """Something that a policy can refer to."""

    __slots__ = ("_hash", "_key")
    _hash: int
    _key: tuple[object, ...]
    FIELDS: ClassVar[Mapping[str, str]] = {}
    """Every field that policies may read with the type of its value: `String`, `Boolean`, the name of a fact, `[Fact]`
    for a collection of them, `Fact?` where it may be nil."""
    TIMED: ClassVar[frozenset[str]] = frozenset()
    """Those of the fields that are computed from the moment of the decision."""
    KEY: ClassVar[tuple[str, ...]] = ()
    """The fields that identify a fact among those of its class."""

    def __post_init__(self) -> None:
        """Compute the key and its hash once: facts are compared far more often than they are made."""
        key = (self.__class__.__name__, *[getattr(self, name) for name in self.KEY])
        _set(self, "_key", key)
        _set(self, "_hash", hash(key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fact) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        # Engines put this into messages; it must never carry personal data.
        return f"<{type(self).__name__}>"


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field, hidden))
def fact(made: type[T]) -> type[T]:
    """Turn a class into a frozen dataclass with slots, and derive from its annotations what policies may read.

    Types that are declared further down are named in quotes; `_declare` resolves them at the end of this module.
    """
    return dataclass(frozen=True, slots=True, eq=False, repr=False)(made)


class Array(tuple[Any, ...]):
    """A collection that a caller sent or registered, with values of any JSON type."""

    __slots__ = ()


class Properties(Fact):
    """Named values of any JSON type, sent by a caller or registered with a resource. A missing one is nil."""

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        _set(self, "_values", dict(values))
        # Two sets of values are the same only if they are one object.
        key = (self.__class__.__name__, id(self))
        _set(self, "_key", key)
        _set(self, "_hash", hash(key))

    def __setattr__(self, name: str, _value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def get(self, name: str) -> Any:
        """Return a value as rules see it: an object as properties of its own, an array as a collection."""
        value = self._values.get(name)
        if isinstance(value, dict | list):
            # Kept, so that the same value is the same object each time that a rule reads it.
            value = self._values[name] = _as_rules_see(value)
        return value

    def with_values(self, values: Mapping[str, Any]) -> "Properties":
        """Return these properties, with those of `values` overriding their own."""
        return Properties(self._values | dict(values)) if values else self


NO_PROPERTIES = Properties({})


@fact
class Guest(Fact):
    """A visitor who has not signed in."""


@fact
class Operator(Fact):
    """Whoever works at the command line of the portal."""


@fact
class Organisation(Fact):
    """A school or college."""

    KEY = ("public_id",)
    public_id: str
    state: str
    time_zone: str = hidden()


@fact
class Service(Fact):
    """What a tile opens."""

    KEY = ("slug",)
    slug: str
    state: str


@fact
class Role(Fact):
    """A role as it can be held at one organisation; at any organisation where `organisation` is None."""

    KEY = ("slug", "organisation")
    slug: str
    service: Service | None
    organisation: Organisation | None
    officers_may_give: bool = field(kw_only=True)


@fact
class Grant(Fact):
    """A role held through a membership, from `starts_at` until before `ends_at` (UTC, both optional)."""

    KEY = ("role", "starts_at", "ends_at")
    role: Role
    starts_at: datetime | None = hidden()
    ends_at: datetime | None = hidden()
    # Numbers compare many times faster than moments.
    _from: float = hidden(init=False)
    _until: float = hidden(init=False)

    def __post_init__(self) -> None:
        """Compute the key, and the two moments in seconds since 1970."""
        Fact.__post_init__(self)
        _set(self, "_from", -inf if self.starts_at is None else self.starts_at.timestamp())
        _set(self, "_until", inf if self.ends_at is None else self.ends_at.timestamp())

    @timed
    def in_force(self, now: float) -> bool:
        """Return whether the grant is in force at `now`, in seconds since 1970."""
        return self._from <= now < self._until


@fact
class Person(Fact):
    """A human with an account, with all memberships that have not ended.

    `with_memberships` makes a person who has some; each of them refers back to its person.
    """

    KEY = ("public_id",)
    public_id: str
    state: str
    staff_roles: tuple[str, ...] = ()
    properties: Properties = NO_PROPERTIES
    memberships: tuple["Membership", ...] = field(default=(), init=False)


@fact
class Membership(Fact):
    """A person at an organisation, with the roles held there."""

    KEY = ("public_id",)
    public_id: str = hidden()
    person: Person
    organisation: Organisation
    state: str
    grants: tuple[Grant, ...]


def with_memberships(person: Person, make: Callable[[Person], Iterable[Membership]]) -> Person:
    """Give a new `person` the memberships that `make` returns for them, and return the person.

    The two refer to each other, so one of them has to exist first; this is the only place where a fact changes.
    """
    _set(person, "memberships", tuple(make(person)))
    return person


def changed_person(person: Person, **changes: Any) -> Person:
    """Return a copy of `person` with `changes` to its fields, and with memberships that refer to the copy.

    `memberships`, if it is among them, is a list of memberships of `person`.
    """
    held = changes.pop("memberships", person.memberships)
    return with_memberships(
        replace(person, **changes), lambda copy: (replace(membership, person=copy) for membership in held)
    )


@fact
class Client(Fact):
    """A program that calls the decision API for one service."""

    KEY = ("public_id",)
    public_id: str = hidden()
    state: str
    service: Service | None
    kinds: tuple[str, ...]
    knows_everybody: bool = False
    person_types: tuple[str, ...] = hidden(default=())
    """What the client calls a person, beside `person` and `user`."""
    by_address: bool = hidden(default=False)
    """Whether the client names people by their e-mail addresses."""


@fact
class Portal(Fact):
    """The pages that everybody passes through."""


@fact
class Platform(Fact):
    """What the operator's staff look after."""


@fact
class Evaluation(Fact):
    """An evaluation that a client asks for: the type of the resource, and its service."""

    KEY = ("kind", "service")
    kind: str
    service: Service | None


@fact
class Context(Fact):
    """The circumstances of a request: the organisation acted in (None: any), and properties of action and request."""

    KEY = ("organisation", "action", "request")
    organisation: Organisation | None = None
    action: Properties = NO_PROPERTIES
    request: Properties = NO_PROPERTIES


@fact
class Record(Fact):
    """What the directory itself does not hold, of a type that only a policy declares: a resource, or a subject.

    Policies call what they have in common as subjects `Subject`.
    """

    KEY = ("id",)
    id: str
    properties: Properties = NO_PROPERTIES


KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind
    for kind in (
        Client,
        Context,
        Evaluation,
        Grant,
        Guest,
        Membership,
        Operator,
        Organisation,
        Person,
        Platform,
        Portal,
        Properties,
        Role,
        Service,
    )
} | {"Subject": Record}
"""Every class of fact by the name that policies use."""


@cache
def declared_kind(name: str) -> type[Record]:
    """Return the class of fact for a resource block `name` that only a policy declares."""
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
        return Array(_as_rules_see(element) for element in value)
    return value


def _declare(kind: type[Fact]) -> None:
    """Derive `FIELDS` and `TIMED` from the annotations of `kind`, and from its timed methods."""
    hints = get_type_hints(kind)
    readable = [one.name for one in dataclasses.fields(kind) if _HIDDEN not in one.metadata]  # type: ignore[arg-type]  # a subclass is a dataclass
    methods = {name: method for name, method in vars(kind).items() if getattr(method, "is_timed", False)}
    declared = {name: _type_name(hints[name]) for name in readable}
    declared |= {name: _type_name(get_type_hints(method)["return"]) for name, method in methods.items()}
    kind.FIELDS, kind.TIMED = declared, frozenset(methods)


def _type_name(annotation: Any) -> str:
    """Return how `FIELDS` writes a type: `str` as String, `tuple[Grant, ...]` as [Grant], `Service | None` as Service?.

    Raises KeyError for a type that no policy could use.
    """
    if get_origin(annotation) is tuple:
        return f"[{_type_name(get_args(annotation)[0])}]"
    if isinstance(annotation, UnionType):
        (some,) = (one for one in get_args(annotation) if one is not type(None))
        return f"{_type_name(some)}?"
    return annotation.__name__ if issubclass(annotation, Fact) else _TYPES[annotation]


for _kind in (*KINDS.values(), Record):
    if _kind is not Properties:
        _declare(_kind)
