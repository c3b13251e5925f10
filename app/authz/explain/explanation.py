"""Explains a decision: the rules and facts behind an allow; for a deny, the facts read and the changes that would help.

An explanation contains everything. What one reader may see of it is `visible_to` them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from math import inf
from typing import NamedTuple

from app.authz import facts
from app.authz.decision_point import Decision, DecisionRequest, decide, decide_request, policy
from app.authz.engine.proof import Reading, RuleUsed, readings
from app.authz.explain.counterfactuals import (
    ANY_ORGANISATION,
    Budget,
    BudgetExceededError,
    Change,
    Changes,
    apply_changes,
    smallest_changes,
)
from app.kernel import clock
from app.vocabulary import USER_MANAGEMENT, Action, MembershipState, PersonState, Reason, StaffRole, Who

_ACTION_TO_STATE = {str(MembershipState.SUSPENDED): Action.SUSPEND, str(MembershipState.ACTIVE): Action.REACTIVATE}
"""The action that brings a membership into a state."""

_REASON_BUDGET = Budget(questions=500, seconds=0.1)
"""A reason comes with each no of a service. Usually it takes a few dozen questions and a millisecond."""
_ALTERNATIVES_LIMIT = 20
_REASONS_LIMIT = 2_000
"""Each cached reason keeps its person in memory, also when the fact cache has evicted them: 20,000 would be a second
cache, and take a web process over the 200 MB that it may have."""


class Needed(NamedTuple):
    """A change that would help, and who may make it."""

    change: Change
    who: Who


@dataclass(frozen=True)
class Explanation:
    """A decision with everything that explains it.

    `rules` are those of an allow. `readings` are the facts that carried an allow, or that were read for a deny.
    `alternatives` are the smallest sets of changes that would turn a deny into an allow; any one of them is enough.
    """

    request: DecisionRequest
    decision: Decision
    rules: tuple[RuleUsed, ...] = ()
    readings: tuple[Reading, ...] = ()
    alternatives: tuple[tuple[Needed, ...], ...] = ()


class _CachedReason(NamedTuple):
    """A reason that was found, with the facts that it is about: while they are kept, no other fact has their id."""

    request: DecisionRequest
    denied: Decision
    since: float
    until: float
    decision: Decision


_reasons: dict[tuple[int, str, int, int], _CachedReason] = {}


def reason_for(request: DecisionRequest, decision: Decision, *, is_lasting: bool = True) -> Decision:
    """Return the `decision` on `request`; a deny with the first of the changes that would turn it as its reason.

    Where that takes too long to find, the reason stays `not_allowed`. `is_lasting` says that the facts are kept, and
    will be asked about again: what one request describes is not worth to be remembered.
    """
    if decision.reason is not Reason.NOT_ALLOWED:
        return decision
    if isinstance(request.actor, facts.Guest):
        return replace(decision, reason=Reason.NOT_SIGNED_IN)
    key = (id(request.actor), request.action, id(request.resource), id(request.context.organisation))
    cached = _reasons.get(key)
    now = clock.timestamp()
    if cached is not None and cached.since <= now < cached.until and _is_same(cached, request, decision):
        return cached.decision
    try:
        changes = next(smallest_changes(request, _REASON_BUDGET), ())
    except BudgetExceededError:
        return decision
    reasoned = replace(decision, reason=changes[0].reason) if changes else decision
    if is_lasting and _is_cacheable(request.context):
        if len(_reasons) >= _REASONS_LIMIT:
            _reasons.clear()
        _reasons[key] = _CachedReason(request, decision, now, _next_change(request.actor, now), reasoned)
    return reasoned


def stranger(organisation: facts.Organisation | None) -> facts.Person:
    """Return somebody in good standing without any role, at `organisation` or wherever one may be."""
    at = organisation or ANY_ORGANISATION
    return _stranger(at.public_id, at.state, at.time_zone)


@lru_cache(maxsize=1_000)
def _stranger(public_id: str, state: str, time_zone: str) -> facts.Person:
    # Kept, because reasons are cached by the facts that they are about.
    at = facts.Organisation(public_id, state, time_zone)
    return facts.with_memberships(
        # Not that of an officer who may give them a role: nobody gives one to themselves.
        facts.Person("-", str(PersonState.ACTIVE)),
        lambda person: [facts.Membership("", person, at, str(MembershipState.ACTIVE), ())],
    )


def explain(request: DecisionRequest) -> Explanation:
    """Decide on `request`, and return everything about why. Takes a thousand times as long as to decide."""
    return explain_decision(request, decide_request(request))


def explain_decision(request: DecisionRequest, decision: Decision) -> Explanation:
    """Return everything about why `decision` is the one on `request`."""
    reasoned = reason_for(request, decision)
    if reasoned.reason is Reason.POLICY_ERROR:
        return Explanation(request, reasoned)
    actor, action, resource, context, _roles = request
    now = clock.timestamp()
    if reasoned.allowed:
        proof = policy().prove(actor, action, resource, context, now)
        return Explanation(request, reasoned, *(proof or ()))
    path = reasoned.path if reasoned.leaf is None else policy().path_of(reasoned.leaf)
    try:
        alternatives = list(islice(smallest_changes(request), _ALTERNATIVES_LIMIT))
    except BudgetExceededError:
        alternatives = []
    return Explanation(
        request,
        reasoned,
        readings=tuple(reading for _slot, reading in readings(path, actor, resource, context, now)),
        alternatives=tuple(_with_who(request, changes) for changes in alternatives),
    )


def visible_to(asker: facts.Fact, explanation: Explanation) -> Explanation:
    """Return what `asker` may know of an explanation: what is about themselves, and what the policy lets them read."""

    def sees(fact: facts.Fact | None) -> bool:
        match fact:
            case facts.Person():
                return fact == asker or any(sees(membership) for membership in fact.memberships)
            case facts.Membership():
                return fact.person == asker or _may_read(asker, fact)
            case facts.Organisation():
                return fact == ANY_ORGANISATION or _may_read(asker, fact) or _belongs_to(asker, fact)
            case facts.Grant():
                return sees(fact.role)
            case facts.Role():
                return sees(fact.service)
            case facts.Service():
                return _may_read(asker, fact)
        return True

    return _filtered(explanation, sees)


def visible_to_client(client: facts.Client, explanation: Explanation) -> Explanation:
    """Return what a program may know of an explanation: its own service and that service's roles, and no organisation.

    What it registered or sent itself is its own.
    """

    def sees(fact: facts.Fact | None) -> bool:
        if isinstance(fact, facts.Role | facts.Grant):
            service = fact.service if isinstance(fact, facts.Role) else fact.role.service
            return service is not None and service == client.service
        return not isinstance(fact, facts.Service) or fact == client.service

    def sees_reading(reading: Reading) -> bool:
        is_of_service = isinstance(reading.owner, facts.Grant | facts.Role | facts.Service)
        return is_of_service or reading.path.startswith("resource.")

    visible = _filtered(explanation, sees)
    return replace(visible, readings=tuple(reading for reading in visible.readings if sees_reading(reading)))


def _belongs_to(asker: facts.Fact, organisation: facts.Organisation) -> bool:
    return isinstance(asker, facts.Person) and any(one.organisation == organisation for one in asker.memberships)


def _filtered(explanation: Explanation, sees: Callable[[facts.Fact | None], bool]) -> Explanation:
    def sees_reading(reading: Reading) -> bool:
        shown = (*reading.chain, reading.value) if isinstance(reading.value, facts.Fact) else reading.chain
        return all(sees(fact) for fact in shown)

    def sees_change(change: Change) -> bool:
        return all(sees(fact) for fact in (change.organisation, change.membership, change.role))

    return replace(
        explanation,
        readings=tuple(
            reading._replace(value=tuple(one for one in reading.value if sees(one)))
            if isinstance(reading.value, tuple)
            else reading
            for reading in explanation.readings
            if sees_reading(reading)
        ),
        alternatives=tuple(
            needed for needed in explanation.alternatives if all(sees_change(one.change) for one in needed)
        ),
    )


def _is_same(cached: _CachedReason, request: DecisionRequest, denied: Decision) -> bool:
    # The decision belongs to one policy and one path through it.
    return (
        cached.denied is denied
        and _is_cacheable(request.context)
        and (
            cached.request.grantable_roles is request.grantable_roles
            or [id(role) for role in cached.request.grantable_roles] == [id(role) for role in request.grantable_roles]
        )
    )


def _is_cacheable(context: facts.Context) -> bool:
    return context.action is facts.NO_PROPERTIES and context.request is facts.NO_PROPERTIES


def _next_change(actor: facts.Fact, now: float) -> float:
    """Return when a grant of `actor` next begins or ends."""
    moments = (
        moment.timestamp()
        for membership in (actor.memberships if isinstance(actor, facts.Person) else ())
        for grant in membership.grants
        for moment in (grant.starts_at, grant.ends_at)
        if moment is not None
    )
    return min((moment for moment in moments if moment > now), default=inf)


def _may_read(asker: facts.Fact, fact: facts.Fact) -> bool:
    return decide(asker, Action.READ, fact).allowed


def _with_who(request: DecisionRequest, changes: Changes) -> tuple[Needed, ...]:
    after = apply_changes(request, changes)
    return tuple(Needed(change, _who_may(change, request, after)) for change in changes)


def _who_may(change: Change, before: DecisionRequest, after: DecisionRequest) -> Who:
    """Return who the policy lets make `change`, once the other changes of its set have been made."""
    if change.reason is Reason.PERSON_NOT_ACTIVE and _is_invited(before.actor):
        return Who.PERSON
    if change.staff_role is not None:
        return Who.OPERATOR
    organisation = None if change.organisation is None else _as_in(after, change.organisation)
    permissions = _permissions_for(change, before, organisation)
    if not permissions:
        return Who.NOBODY
    if organisation is not None and _may_all(_officer_of(organisation), permissions):
        return Who.EXAMS_OFFICERS
    support = facts.Person("", str(PersonState.ACTIVE), (str(StaffRole.SUPPORT),))
    return Who.SUPPORT if _may_all(support, permissions) else Who.NOBODY


def _may_all(actor: facts.Person, permissions: list[tuple[str, facts.Fact]]) -> bool:
    return all(decide(actor, action, fact).allowed for action, fact in permissions)


def _permissions_for(
    change: Change, before: DecisionRequest, organisation: facts.Organisation | None
) -> list[tuple[str, facts.Fact]]:
    """Return what a person must be allowed to do to make `change` at `organisation`; nothing where no one can."""
    membership = change.membership
    if organisation is not None and membership is not None:
        # As it would be with the organisation open; the membership itself as it is.
        membership = replace(membership, organisation=organisation)
    match change.reason:
        case Reason.OWN_MEMBERSHIP:
            return [] if membership is None else [(before.action, membership)]
        case Reason.NOT_ALLOWED:
            # No account becomes one that was never activated.
            action = _ACTION_TO_STATE.get(change.state or "")
            return [] if membership is None or action is None else [(action, membership)]
        case Reason.NO_MEMBERSHIP:
            return [] if organisation is None else [(Action.ADD_PERSON, organisation)]
        case Reason.MEMBERSHIP_NOT_ACTIVE:
            return [] if membership is None else [(Action.REACTIVATE, membership)]
        case Reason.ROLE_NOT_STARTED | Reason.ROLE_ENDED | Reason.ROLE_MISSING if change.role is not None:
            give: list[tuple[str, facts.Fact]] = [(Action.GIVE, replace(change.role, organisation=organisation))]
            return give if membership is None else [*give, (Action.CHANGE_ROLES, membership)]
    return []


def _is_invited(actor: facts.Fact) -> bool:
    return isinstance(actor, facts.Person) and actor.state == PersonState.INVITED


def _as_in(after: DecisionRequest, organisation: facts.Organisation) -> facts.Organisation:
    memberships = after.actor.memberships if isinstance(after.actor, facts.Person) else ()
    return next((one.organisation for one in memberships if one.organisation == organisation), organisation)


def _officer_of(organisation: facts.Organisation) -> facts.Person:
    """Return what every exams officer of `organisation` has in common."""
    managing = facts.Grant(facts.Role(USER_MANAGEMENT, None, organisation, officers_may_give=True), None, None)
    return facts.with_memberships(
        facts.Person("", str(PersonState.ACTIVE)),
        lambda officer: [facts.Membership("", officer, organisation, str(MembershipState.ACTIVE), (managing,))],
    )
