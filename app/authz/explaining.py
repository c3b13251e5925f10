"""Why not? The smallest change that would turn a no into a yes, found by deciding again.

Nothing here knows the rules: each candidate change is made to a copy of the facts, and the policy is asked. So an
explanation cannot say something that the policy does not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.authz import facts
from app.authz.deciding import Decision, decide
from app.vocabulary import MembershipState, OrganisationState, PersonState, Reason, ServiceState


@dataclass(frozen=True)
class Question:
    """What is asked, and the roles that could be given for it."""

    actor: facts.Fact
    action: str
    resource: facts.Fact
    context: facts.Context
    roles: tuple[facts.Role, ...] = ()


def reason_for(question: Question) -> Decision:
    """Decide, and for a no give the first of the changes that are needed to make it a yes."""
    decision = _decide(question)
    if decision or decision.reason is Reason.POLICY_ERROR or isinstance(question.actor, facts.Guest):
        reason = Reason.NOT_SIGNED_IN if isinstance(question.actor, facts.Guest) and not decision else decision.reason
        return Decision(decision.allowed, reason, decision.policy)
    needed = changes_needed(question)
    return Decision(allowed=False, reason=needed[0] if needed else Reason.NOT_ALLOWED, policy=decision.policy)


def changes_needed(question: Question) -> tuple[Reason, ...]:
    """Return a smallest set of things that stand in the way, most fundamental first; empty if nothing would help.

    All changes are made at once; then each that the policy can do without is taken back.
    """
    needed = list(_CHANGES)
    if not _decide(_changed(question, needed)):
        return ()
    for reason in reversed(_CHANGES):
        fewer = [kept for kept in needed if kept is not reason]
        if _decide(_changed(question, fewer)):
            needed = fewer
    return tuple(needed)


def _decide(question: Question) -> Decision:
    return decide(question.actor, question.action, question.resource, question.context)


def _changed(question: Question, reasons: list[Reason]) -> Question:
    for reason, change in _CHANGES.items():
        if reason in reasons:
            question = change(question)
    return question


def _with_actor(question: Question, actor: facts.Fact) -> Question:
    return Question(actor, question.action, question.resource, question.context, question.roles)


def _with_resource(question: Question, resource: facts.Fact) -> Question:
    return Question(question.actor, question.action, resource, question.context, question.roles)


def _copy(
    person: facts.Person,
    *,
    state: str | None = None,
    membership: Callable[[facts.Membership], tuple[str, facts.Organisation, tuple[facts.Grant, ...]]] | None = None,
) -> facts.Person:
    copy = facts.Person(person.public_id, state or person.state, person.staff_roles, person.properties)
    memberships = []
    for held in person.memberships:
        standing, organisation, grants = (
            membership(held) if membership else (held.state, held.organisation, held.grants)
        )
        memberships.append(facts.Membership(held.public_id, copy, organisation, standing, grants))
    copy.memberships = tuple(memberships)
    return copy


def _person_active(question: Question) -> Question:
    if not isinstance(question.actor, facts.Person):
        return question
    return _with_actor(question, _copy(question.actor, state=PersonState.ACTIVE))


def _somebody_elses(question: Question) -> Question:
    held = question.resource
    if not isinstance(held, facts.Membership) or held.person != question.actor:
        return question
    other = facts.Membership("", facts.Person("", held.person.state), held.organisation, held.state, held.grants)
    return _with_resource(question, other)


def _belongs(question: Question) -> Question:
    if not isinstance(question.actor, facts.Person):
        return question
    asked = question.context.organisation
    if any(asked in (None, held.organisation) for held in question.actor.memberships):
        return question
    copy = _copy(question.actor)
    at = asked or facts.Organisation("", OrganisationState.ACTIVE, "UTC")
    copy.memberships = (*copy.memberships, facts.Membership("", copy, at, MembershipState.ACTIVE, ()))
    return _with_actor(question, copy)


def _membership_active(question: Question) -> Question:
    if not isinstance(question.actor, facts.Person):
        return question
    copy = _copy(question.actor, membership=lambda held: (MembershipState.ACTIVE, held.organisation, held.grants))
    return _with_actor(question, copy)


def _organisation_active(question: Question) -> Question:
    if not isinstance(question.actor, facts.Person):
        return question
    copy = _copy(
        question.actor,
        membership=lambda held: (
            held.state,
            facts.Organisation(held.organisation.public_id, OrganisationState.ACTIVE, held.organisation.time_zone),
            held.grants,
        ),
    )
    return _with_actor(question, copy)


def _service_live(question: Question) -> Question:
    asked = question.resource
    if isinstance(asked, facts.Service):
        return _with_resource(question, facts.Service(asked.slug, ServiceState.LIVE))
    if isinstance(asked, facts.Role) and asked.service is not None:
        live = facts.Service(asked.service.slug, ServiceState.LIVE)
        return _with_resource(
            question, facts.Role(asked.slug, live, asked.organisation, officers_may_give=asked.officers_may_give)
        )
    return question


def _role_started(question: Question) -> Question:
    return _with_grants(
        question, lambda held: tuple(facts.Grant(grant.role, None, grant.ends_at) for grant in held.grants)
    )


def _role_not_ended(question: Question) -> Question:
    return _with_grants(
        question, lambda held: tuple(facts.Grant(grant.role, grant.starts_at, None) for grant in held.grants)
    )


def _role_given(question: Question) -> Question:
    return _with_grants(
        question,
        lambda held: (
            *held.grants,
            *(facts.Grant(_at(role, held.organisation), None, None) for role in question.roles),
        ),
    )


def _with_grants(question: Question, grants: Callable[[facts.Membership], tuple[facts.Grant, ...]]) -> Question:
    if not isinstance(question.actor, facts.Person):
        return question
    copy = _copy(question.actor, membership=lambda held: (held.state, held.organisation, grants(held)))
    return _with_actor(question, copy)


def _at(role: facts.Role, organisation: facts.Organisation) -> facts.Role:
    return facts.Role(role.slug, role.service, organisation, officers_may_give=role.officers_may_give)


_CHANGES: dict[Reason, Callable[[Question], Question]] = {
    Reason.PERSON_NOT_ACTIVE: _person_active,
    Reason.OWN_MEMBERSHIP: _somebody_elses,
    Reason.NO_MEMBERSHIP: _belongs,
    Reason.ORGANISATION_NOT_ACTIVE: _organisation_active,
    Reason.MEMBERSHIP_NOT_ACTIVE: _membership_active,
    Reason.SERVICE_NOT_LIVE: _service_live,
    Reason.ROLE_NOT_STARTED: _role_started,
    Reason.ROLE_ENDED: _role_not_ended,
    Reason.ROLE_MISSING: _role_given,
}
"""What can stand in the way, most fundamental first, and how to take it away."""
