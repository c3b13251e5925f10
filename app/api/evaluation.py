"""Answering one question of one client. Knows nothing of HTTP."""

import time
from dataclasses import dataclass

from app.api.errors import ApiError
from app.api.schemas import EvaluationRequest
from app.audit.operations import record_decision
from app.audit.queries import revision as newest_revision
from app.authz import directory, facts
from app.authz.deciding import Decision, decide
from app.authz.explaining import Question, reason_for
from app.kernel.database import reading
from app.organisations.models import Organisation
from app.organisations.queries import organisation_named
from app.services.models import Client
from app.services.queries import role_with_slug, roles_of, service_with_slug
from app.vocabulary import PERMISSIONS, SUBJECT_TYPES, Action, Reason


class UndecidedError(Exception):
    """The policy could not say whether a client may ask, so nothing is answered."""


@dataclass(frozen=True)
class Answer:
    """A decision that was given and recorded under `id`, with at least everything known up to `revision`."""

    id: str
    decision: Decision
    revision: int


@dataclass(frozen=True)
class _Thing:
    """What is asked about, and the roles that could be given for it."""

    fact: facts.Fact
    roles: tuple[facts.Role, ...]


def evaluate(client: Client, request: EvaluationRequest) -> Answer:
    """Answer `request` for `client` and record the answer.

    Raises `ApiError` 403 when the policy does not let the client ask this, `UndecidedError` when it cannot say.
    Whatever else goes wrong is raised too, the recording included: what cannot be accounted for is not answered.
    """
    started = time.perf_counter()
    policy = _check_may_ask(client, request)
    # One moment for the revision and all facts: the answer holds every change up to the revision, and none after it.
    with reading():
        revision = newest_revision()
        person = directory.person_named(request.subject_id) if request.subject_type in SUBJECT_TYPES else None
        organisation = None if request.organisation is None else organisation_named(request.organisation)
        decision = _decision(request, person, organisation, policy)
    record_id = record_decision(
        client=client.reference,
        # What resolves to nobody may be anything, a name or an address included: it is not kept.
        subject="unknown" if person is None else f"person:{person.public_id}",
        action=request.action,
        resource=f"{request.resource_type}:{request.resource_id}",
        organisation="" if organisation is None else organisation.public_id,
        allowed=decision.allowed,
        reason=decision.reason,
        policy=decision.policy,
        revision=revision,
        milliseconds=(time.perf_counter() - started) * 1000,
    )
    return Answer(record_id, decision, revision)


def _check_may_ask(client: Client, request: EvaluationRequest) -> str:
    asker = directory.client(client)
    # Told from the name alone: another service's things are refused alike whether they exist or not.
    about = asker.service if _is_own(client, request) else None
    permission = decide(asker, Action.ASK, facts.Evaluation(request.resource_type, about))
    if permission.reason is Reason.POLICY_ERROR:
        raise UndecidedError("the policy could not say whether the client may ask")
    if not permission:
        raise ApiError(403, _what_may_be_asked(client))
    return permission.policy


def _is_own(client: Client, request: EvaluationRequest) -> bool:
    if client.service is None:
        return False
    if request.resource_type == "service":
        return request.resource_id == client.service.slug
    if request.resource_type == "role":
        return request.resource_id.startswith(f"{client.service.slug}:")
    return True


def _what_may_be_asked(client: Client) -> str:
    if client.service is None or not client.kinds:
        return "This key may not ask about anything yet."
    kinds = ", ".join(sorted(client.kinds))
    return f"This key may ask only about the service {client.service.slug}, and only about: {kinds}."


def _decision(
    request: EvaluationRequest, person: facts.Person | None, organisation: Organisation | None, policy: str
) -> Decision:
    at = None if organisation is None else directory.organisation(organisation)
    thing = _thing(request, at)
    if thing is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_RESOURCE, policy=policy)
    if request.action not in PERMISSIONS[type(thing.fact).__name__]:
        return Decision(allowed=False, reason=Reason.UNKNOWN_ACTION, policy=policy)
    if request.organisation is not None and at is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_ORGANISATION, policy=policy)
    if person is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_SUBJECT, policy=policy)
    return reason_for(Question(person, request.action, thing.fact, facts.Context(at), thing.roles))


def _thing(request: EvaluationRequest, at: facts.Organisation | None) -> _Thing | None:
    if request.resource_type == "service":
        service = service_with_slug(request.resource_id)
        if service is None:
            return None
        return _Thing(directory.service(service), tuple(directory.role(role, None) for role in roles_of(service)))
    if request.resource_type == "role":
        role = role_with_slug(request.resource_id)
        if role is None:
            return None
        return _Thing(directory.role(role, at), (directory.role(role, None),))
    return None
