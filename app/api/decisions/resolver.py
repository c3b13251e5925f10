"""The facts that questions are about, as the caller describes them and all as of one revision."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

from app.api.errors import ApiError
from app.api.wire.requests import Entity, EvaluationRequest
from app.authz import facts
from app.authz.decision_point import policy
from app.authz.information import cache
from app.vocabulary import DIRECTORY_KINDS, SUBJECT_TYPES

T = TypeVar("T")

_TELLS_NOTHING = facts.Context()
_RETRY_AFTER = "1"
"""In seconds: when to ask again for what is not known here yet."""


class Gatherer:
    """Finds what the questions of one request are about, which is made on behalf of the service `own`."""

    def __init__(self, view: cache.View, own: facts.Service | None = None) -> None:
        self.view = view
        self._own = own
        self._described: dict[int, facts.Person | None] = {}

    def person(self, subject: Entity) -> facts.Person | None:
        """Return the person that `subject` names, as the caller describes them, or None."""
        if subject.type not in SUBJECT_TYPES:
            return None
        if not subject.properties:
            return self.view.person(subject.id)
        # In a batch the questions share one subject; it is described once.
        if id(subject) not in self._described:
            known = self.view.person(subject.id)
            self._described[id(subject)] = known and described(known, subject)
        return self._described[id(subject)]

    def organisation(self, name: str | None) -> facts.Organisation | None:
        """Return the organisation with this id or centre number, or None."""
        return None if name is None else self.view.organisation(name)

    def thing(self, resource: Entity, at: facts.Organisation | None) -> facts.Fact | None:
        """Return what `resource` names, as the caller describes it, or None."""
        if resource.type == "service":
            return self.view.service(resource.id)
        if resource.type == "role":
            return self.view.role(resource.id, at)
        kind = policy().declared_kinds.get(resource.type)
        return None if kind is None else self._record(kind, resource)

    def roles(self, thing: facts.Fact) -> tuple[facts.Role, ...]:
        """Return the roles that could be given for `thing`, as held at any organisation.

        For one of a kind that the service declares itself these are all of its roles.
        """
        service = self._own if isinstance(thing, facts.Record) else thing
        if isinstance(service, facts.Service):
            return self.view.roles_of(service)
        role = self.view.role(thing.slug) if isinstance(thing, facts.Role) else None
        return () if role is None else (role,)

    def people_after(self, subject: Entity, public_id: str, most: int) -> list[facts.Person]:
        """Return at most `most` people by id, from the first one after `public_id` on, as `subject` describes them."""
        return [described(person, subject) for person in self.view.people_after(public_id, most)]

    def things_after(
        self, resource: Entity, at: facts.Organisation | None, name: str, most: int
    ) -> Sequence[facts.Service | facts.Role | facts.Record]:
        """Return at most `most` things of the type of `resource` by name, from the first one after `name` on.

        Services and roles are those of the service itself; records are as `resource` describes them.
        """
        if resource.type in DIRECTORY_KINDS:
            found = self._own_things(resource.type, at)
            return sorted((thing for thing in found if thing.slug > name), key=attrgetter("slug"))[:most]
        kind = policy().declared_kinds.get(resource.type)
        if kind is None:
            return []
        return [
            _described_record(record, resource) for record in self.view.records_after(kind, resource.type, name, most)
        ]

    def _own_things(self, kind: str, at: facts.Organisation | None) -> Iterable[facts.Service | facts.Role]:
        if self._own is None:
            return []
        if kind == "service":
            return [self._own]
        roles = (self.view.role(role.slug, at) for role in self.view.roles_of(self._own))
        return (role for role in roles if role is not None)

    def _record(self, kind: type[facts.Record], resource: Entity) -> facts.Record | None:
        """Return the thing that was registered, told about, or both; None if it was neither."""
        stored = self.view.record(kind, resource.type, resource.id)
        if stored is not None:
            return _described_record(stored, resource)
        return None if resource.properties is None else kind(resource.id, facts.Properties(resource.properties))


def gathered(
    collect: Callable[[Gatherer], T], at_least: int, *, own: facts.Service | None = None, has_looked: bool = False
) -> tuple[T, int]:
    """Return what `collect` finds for the service `own`, and the revision as of which all of it is.

    `has_looked` as for `cache.View.gather`.
    Raises `ApiError` 503 if `at_least` does not come to be known here for a while.
    """
    try:
        return cache.current().gather(
            lambda view: collect(Gatherer(view, own)), at_least=at_least, has_looked=has_looked
        )
    except cache.NotFreshError:
        raise ApiError(
            503,
            "The revision that you want is not known here yet. Take it as a no, and ask again in a moment.",
            headers={"Retry-After": _RETRY_AFTER},
        ) from None


def context_of(request: EvaluationRequest, at: facts.Organisation | None) -> facts.Context:
    """Return what `request` tells the rules of itself."""
    action, told = request.action.properties, request.context
    if at is None and not action and not told:
        return _TELLS_NOTHING
    return facts.Context(
        at,
        facts.Properties(action) if action else facts.NO_PROPERTIES,
        facts.Properties(told) if told else facts.NO_PROPERTIES,
    )


def described(person: facts.Person, subject: Entity) -> facts.Person:
    """Return `person`, or a copy in which the properties that the caller tells are in the place of their own."""
    if not subject.properties:
        return person
    copy = facts.Person(
        person.public_id, person.state, person.staff_roles, person.properties.with_values(subject.properties)
    )
    copy.memberships = tuple(
        facts.Membership(held.public_id, copy, held.organisation, held.state, held.grants)
        for held in person.memberships
    )
    return copy


def _described_record(stored: facts.Record, resource: Entity) -> facts.Record:
    if not resource.properties:
        return stored
    return type(stored)(stored.id, stored.properties.with_values(resource.properties))
