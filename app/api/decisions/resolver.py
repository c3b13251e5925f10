"""Resolves the names in a request to facts: as the caller describes them, and all of one revision."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter

import msgspec
from msgspec import Struct

from app.api.errors import InvalidRequestError
from app.api.wire.requests import Entity, EvaluationRequest
from app.authz import facts
from app.authz.decision_point import policy
from app.authz.engine.engine import Engine
from app.authz.information import cache
from app.runtime import current
from app.vocabulary import DIRECTORY_KINDS, NO_QUESTIONS, SUBJECT_TYPES, USER_MANAGEMENT, Reason

_EMPTY_CONTEXT = facts.Context()


class Resolved(Struct, frozen=True):
    """What an evaluation is about. `unknown` says which of its names is not known.

    Where it is None, all are, but perhaps for the person, whose `subject` is None then.
    """

    subject: facts.Person | facts.Record | None
    organisation: facts.Organisation | None
    resource: facts.Fact | None
    context: facts.Context = _EMPTY_CONTEXT
    unknown: Reason | None = None


class FoundPerson(Struct, frozen=True):
    """A person whom a search found, under the `name` that the client uses."""

    name: str
    person: facts.Person


class Resolver(Struct):
    """Finds the facts, as of one `revision`, that the evaluations of one request are about.

    The request is made by a `client`. `resolvers` makes them.
    """

    view: cache.DirectoryView
    client: facts.Client
    revision: int
    stale_seconds: int | None = None
    """How old at most the facts are, if the database was away when they began to be looked up."""
    _described: dict[int, facts.Person | None] = msgspec.field(default_factory=dict)

    def resolve(self, request: EvaluationRequest) -> Resolved:
        """Return what `request` is about; nothing that it names has to exist."""
        organisation = None if request.organisation is None else self.organisation_of(request)
        is_usual = request.subject.type in SUBJECT_TYPES
        subject = self.person(request.subject) if is_usual else self.subject(request.subject)
        resource = self.resource(request.resource, organisation)
        action = request.action.name
        if resource is None:
            unknown = Reason.UNKNOWN_RESOURCE
        elif action not in _questions(current().engine)[type(resource).__name__]:
            unknown = Reason.UNKNOWN_ACTION
        elif request.organisation is not None and organisation is None and self.view.has_organisations():
            unknown = Reason.UNKNOWN_ORGANISATION
        elif subject is None and not self.is_person(request.subject):
            unknown = Reason.UNKNOWN_SUBJECT
        else:
            has_context = organisation is not None or request.action.properties or request.context
            context = context_of(request, organisation) if has_context else _EMPTY_CONTEXT
            return Resolved(subject, organisation, resource, context)
        return Resolved(subject, organisation, resource, unknown=unknown)

    def is_person(self, subject: Entity) -> bool:
        """Return whether the client calls a person what it calls `subject`."""
        return subject.type in SUBJECT_TYPES or subject.type in self.client.person_types

    def subject(self, subject: Entity) -> facts.Person | facts.Record | None:
        """Return who or what `subject` names, as the caller describes it, or None.

        Subjects of a type that only the policy declares need not be registered.
        """
        if self.is_person(subject):
            return self.person(subject)
        kind = current().engine.subject_kinds.get(subject.type)
        return None if kind is None else self._record(kind, subject) or kind(subject.id)

    def person(self, subject: Entity) -> facts.Person | None:
        """Return the person that `subject` names, as the caller describes them, or None."""
        if not subject.properties:
            return self.view.person(subject.id)
        # The evaluations of a batch share one subject; it is described once.
        if id(subject) not in self._described:
            person = self.view.person(subject.id)
            self._described[id(subject)] = person and described(person, subject)
        return self._described[id(subject)]

    def organisation_of(self, request: EvaluationRequest) -> facts.Organisation | None:
        """Return the organisation that `request` names by id or centre number, or None.

        Raises `InvalidRequestError` when it names two.
        """
        if not request.organisation:
            return None
        found = self.view.organisation(request.organisation)
        if request.organisation_again is not None and self.view.organisation(request.organisation_again) != found:
            raise InvalidRequestError("context.organisation must not differ from resource.properties.organisation.")
        return found

    def resource(self, resource: Entity, organisation: facts.Organisation | None) -> facts.Fact | None:
        """Return what `resource` names, as the caller describes it, or None; a role as held at `organisation`."""
        if resource.type == "service":
            return self.view.service(resource.id)
        if resource.type == "role":
            return self.view.role(resource.id, organisation)
        kind = policy().declared_kinds.get(resource.type)
        return None if kind is None else self._record(kind, resource)

    def people_after(
        self, subject: Entity, organisation: facts.Organisation | None, public_id: str, limit: int
    ) -> list[FoundPerson]:
        """Return at most `limit` people who concern the client and whose ids follow `public_id`, in order.

        They are as `subject` describes them. Those who hold or held a role of the service concern a client, at the
        `organisation` if one is asked about; whether the client may learn about them, the policy says.
        """
        if self.client.knows_everybody:
            loaded = self.view.people_after(public_id, limit)
        elif self.client.service is None:
            return []
        else:
            at = None if organisation is None else organisation.public_id
            loaded = self.view.holders_after(self.client.service.slug, at, public_id, limit)
        return [
            FoundPerson(
                (addresses[0] if addresses else person.public_id) if self.client.by_address else person.public_id,
                described(person, subject),
            )
            for person, addresses in loaded
        ]

    def subjects_after(self, subject: Entity, name: str, limit: int) -> list[facts.Record]:
        """Return at most `limit` registered subjects of a type that only the policy declares, in order."""
        kind = policy().subject_kinds.get(subject.type)
        found = [] if kind is None else self.view.records_after(kind, subject.type, name, limit)
        return [_described_record(record, subject) for record in found]

    def resources_after(
        self, resource: Entity, organisation: facts.Organisation | None, name: str, limit: int
    ) -> Sequence[facts.Service | facts.Role | facts.Record]:
        """Return at most `limit` resources of the type of `resource` whose names follow `name`, in order.

        Services and roles are those of the service itself; records are as `resource` describes them.
        """
        if resource.type in DIRECTORY_KINDS:
            found = self._own_resources(resource.type, organisation)
            return sorted((one for one in found if one.slug > name), key=attrgetter("slug"))[:limit]
        kind = policy().declared_kinds.get(resource.type)
        if kind is None:
            return []
        records = self.view.records_after(kind, resource.type, name, limit)
        return [_described_record(record, resource) for record in records]

    def grantable_roles(self, resource: facts.Fact) -> tuple[facts.Role, ...]:
        """Return the roles that could be granted for `resource`, as held at any organisation.

        For a resource of a type that the service declares itself these are all roles of the service.
        """
        service = self.client.service if isinstance(resource, facts.Record) else resource
        if isinstance(service, facts.Service):
            return self.view.roles_of(service)
        if not isinstance(resource, facts.Role):
            return ()
        # That of exams officers helps to give a role.
        found = (self.view.role(slug) for slug in (resource.slug, USER_MANAGEMENT))
        return tuple(role for role in found if role is not None)

    def _own_resources(
        self, type_name: str, organisation: facts.Organisation | None
    ) -> Iterable[facts.Service | facts.Role]:
        service = self.client.service
        if service is None:
            return []
        if type_name == "service":
            return [service]
        roles = (self.view.role(role.slug, organisation) for role in self.view.roles_of(service))
        return (role for role in roles if role is not None)

    def _record(self, kind: type[facts.Record], resource: Entity) -> facts.Record | None:
        """Return the resource as it was registered, as the caller describes it, or both; None if it was neither."""
        registered = self.view.record(kind, resource.type, resource.id)
        if registered is not None:
            return _described_record(registered, resource)
        return None if resource.properties is None else kind(resource.id, facts.Properties(resource.properties))


def resolvers(
    client: facts.Client, at_least: int, types: Collection[str], *, is_fresh: bool = False
) -> Iterator[Resolver]:
    """Yield a resolver for the loop's body, and a new one until all that it resolved is of one revision.

    `types` are those of the subjects and resources that the body asks for. `at_least` and `is_fresh` as for
    `DirectoryView.snapshots`, which also says what is raised.
    """
    view = current().view
    for revision in view.snapshots(at_least, types, is_fresh=is_fresh):
        # Before anything is looked up: what is found out meanwhile is not in what was looked up.
        freshness = view.freshness
        yield Resolver(view, client, revision, freshness.stale_seconds() if freshness.is_stale else None)


def questions_about(engine: Engine, resource: facts.Fact) -> frozenset[str]:
    """Return the actions that programs may ask about for a resource."""
    kind = type(resource).__name__
    return _questions(engine)[kind]


@lru_cache(maxsize=16)
def _questions(engine: Engine) -> dict[str, frozenset[str]]:
    return {kind: actions - NO_QUESTIONS.get(kind, frozenset()) for kind, actions in engine.permissions.items()}


def context_of(request: EvaluationRequest, organisation: facts.Organisation | None) -> facts.Context:
    """Return the circumstances of `request` as rules see them.

    What no rule reads is left out, so that reasons are found once for all requests that differ in nothing else.
    """
    action, context = (request.action.properties, request.context) if current().engine.reads_request else (None, None)
    if organisation is None and not action and not context:
        return _EMPTY_CONTEXT
    return facts.Context(
        organisation,
        facts.Properties(action) if action else facts.NO_PROPERTIES,
        facts.Properties(context) if context else facts.NO_PROPERTIES,
    )


def described(person: facts.Person, subject: Entity) -> facts.Person:
    """Return `person`, or a copy in which the properties that the caller sent override the registered ones."""
    if not subject.properties:
        return person
    return facts.changed_person(person, properties=person.properties.with_values(subject.properties))


def _described_record(registered: facts.Record, resource: Entity) -> facts.Record:
    if not resource.properties:
        return registered
    return replace(registered, properties=registered.properties.with_values(resource.properties))
