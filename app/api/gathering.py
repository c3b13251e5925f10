"""The facts that questions are about, all of them as of one moment."""

from collections.abc import Callable
from typing import TypeVar

from app.api.errors import ApiError
from app.api.questions import Entity, EvaluationRequest
from app.audit.queries import revision as newest_revision
from app.authz import directory, facts
from app.authz.deciding import policy
from app.authz.naming import declared_kinds
from app.kernel.database import reading
from app.organisations.queries import organisation_named
from app.records.queries import record_named
from app.services.queries import role_with_slug, roles_of, service_with_slug
from app.vocabulary import SUBJECT_TYPES

T = TypeVar("T")


_RETRY_AFTER = "1"
"""In seconds: when to ask again for what is not known here yet."""


class View:
    """The directory as the questions of one request see it. Nothing is looked up twice."""

    def __init__(self) -> None:
        self._people: dict[str, facts.Person | None] = {}
        self._changed_people: dict[int, facts.Person | None] = {}
        self._organisations: dict[str, facts.Organisation | None] = {}
        self._things: dict[tuple[str, str, str | None], facts.Fact | None] = {}

    def person(self, subject: Entity) -> facts.Person | None:
        """Return the person that `subject` names, as the caller describes them, or None."""
        if subject.type not in SUBJECT_TYPES:
            return None
        if not subject.properties:
            return self.person_named(subject.id)
        # In a batch the questions share one subject; it is described once.
        if id(subject) not in self._changed_people:
            known = self.person_named(subject.id)
            self._changed_people[id(subject)] = known and described(known, subject)
        return self._changed_people[id(subject)]

    def person_named(self, name: str) -> facts.Person | None:
        """Return the person with this id or address, or None."""
        if name not in self._people:
            self._people[name] = directory.person_named(name)
        return self._people[name]

    def organisation(self, name: str | None) -> facts.Organisation | None:
        """Return the organisation with this id or centre number, or None."""
        if name is None:
            return None
        if name not in self._organisations:
            row = organisation_named(name)
            self._organisations[name] = None if row is None else directory.organisation(row)
        return self._organisations[name]

    def thing(self, resource: Entity, at: facts.Organisation | None) -> facts.Fact | None:
        """Return what `resource` names, as the caller describes it, or None."""
        key = (resource.type, resource.id, None if at is None else at.public_id)
        kind = declared_kinds(policy()).get(resource.type)
        if key not in self._things:
            self._things[key] = self._stored_thing(resource, at) if kind is None else _stored_record(kind, resource)
        return self._things[key] if kind is None else _record(kind, resource, self._things[key])

    def roles(self, resource: Entity) -> tuple[facts.Role, ...]:
        """Return the roles that could be given for `resource`."""
        if resource.type == "service":
            service = service_with_slug(resource.id)
            return () if service is None else tuple(directory.role(role, None) for role in roles_of(service))
        if resource.type == "role":
            role = role_with_slug(resource.id)
            return () if role is None else (directory.role(role, None),)
        return ()

    def _stored_thing(self, resource: Entity, at: facts.Organisation | None) -> facts.Fact | None:
        if resource.type == "service":
            service = service_with_slug(resource.id)
            return None if service is None else directory.service(service)
        if resource.type == "role":
            role = role_with_slug(resource.id)
            return None if role is None else directory.role(role, at)
        return None


def gathered(gather: Callable[[View], T], at_least: int) -> tuple[T, int]:
    """Return what `gather` reads, and the revision as of which it is.

    It holds every change up to the revision, and none after it. Raises `ApiError` 503 if that would be less than
    `at_least`.
    """
    with reading():
        revision = newest_revision()
        if revision < at_least:
            raise ApiError(
                503,
                "The revision that you want is not known here yet. Take it as a no, and ask again in a moment.",
                headers={"Retry-After": _RETRY_AFTER},
            )
        return gather(View()), revision


def context_of(request: EvaluationRequest, at: facts.Organisation | None) -> facts.Context:
    """Return what `request` tells the rules of itself."""
    action, told = request.action.properties, request.context
    return facts.Context(
        at,
        facts.Properties(action) if action else facts.NO_PROPERTIES,
        facts.Properties(told) if told else facts.NO_PROPERTIES,
    )


def described(person: facts.Person, subject: Entity) -> facts.Person:
    """Return a copy of `person` in which the properties that the caller tells are in the place of their own."""
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


def _stored_record(kind: type[facts.Record], resource: Entity) -> facts.Record | None:
    row = record_named(resource.type, resource.id)
    return None if row is None else directory.record(kind, row)


def _record(kind: type[facts.Record], resource: Entity, stored: facts.Fact | None) -> facts.Record | None:
    """Return the thing that was registered, told about, or both; None if it was neither."""
    if not isinstance(stored, facts.Record):
        return None if resource.properties is None else kind(resource.id, facts.Properties(resource.properties))
    if not resource.properties:
        return stored
    return kind(resource.id, stored.properties.with_values(resource.properties))
