"""Why? The rules and facts that carried a yes; what was looked at for a no, and the smallest changes that would help.

An explanation tells everything. Whoever shows it to somebody shows it as `seen_by` them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from app.authz import facts
from app.authz.decision_point import Decision, decide, policy
from app.authz.engine.proof import Reading, RuleUsed, readings
from app.authz.explain.counterfactuals import ANYWHERE, Change, Changes, made, smallest_changes
from app.authz.explain.counterfactuals import Question as Question  # noqa: PLC0414  (callers ask with it)
from app.kernel import clock
from app.vocabulary import (
    USER_MANAGEMENT,
    Action,
    MembershipState,
    PersonState,
    Reason,
    StaffRole,
    Who,
)

_LEADS_TO = {str(MembershipState.SUSPENDED): Action.SUSPEND, str(MembershipState.ACTIVE): Action.REACTIVATE}
"""What is done to a membership for it to be in a state."""

_MOST_ALTERNATIVES = 20
_MOST_REMEMBERED = 2_000
"""Each keeps the person that it is about in memory, also when the cache has let go of them: 20,000 would be a second
cache, and take a web process over the 200 MB that it may have."""


class Needed(NamedTuple):
    """A change that would help, and who may make it."""

    change: Change
    who: Who


@dataclass(frozen=True)
class Explanation:
    """A decision with everything that explains it.

    `rules` are those of an allow. `readings` are the facts that carried an allow, or that were looked at for a no.
    `alternatives` are the smallest sets of changes that would turn a no into a yes; any one of them is enough.
    """

    question: Question
    decision: Decision
    rules: tuple[RuleUsed, ...] = ()
    readings: tuple[Reading, ...] = ()
    alternatives: tuple[tuple[Needed, ...], ...] = ()


class _Remembered(NamedTuple):
    """A reason that was found, with the facts that it is about: while they are kept, no other fact has their id."""

    question: Question
    denied: Decision
    since: float
    until: float
    decision: Decision


_remembered: dict[tuple[int, str, int, int], _Remembered] = {}


def reason_for(question: Question, decided: Decision | None = None) -> Decision:
    """Decide, unless it has been `decided`, and for a no give the first of the changes that would make it a yes."""
    decision = decided or _decide(question)
    if decision.allowed or decision.reason is Reason.POLICY_ERROR:
        return decision
    if isinstance(question.actor, facts.Guest):
        return replace(decision, reason=Reason.NOT_SIGNED_IN)
    key = (id(question.actor), question.action, id(question.resource), id(question.context.organisation))
    known = _remembered.get(key)
    now = clock.timestamp()
    if known is not None and known.since <= now < known.until and _is_same(known, question, decision):
        return known.decision
    changes = next(smallest_changes(question), ())
    reasoned = replace(decision, reason=changes[0].reason) if changes else decision
    if _tells_nothing(question.context):
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = _Remembered(question, decision, now, _next_turn(question.actor, now), reasoned)
    return reasoned


def explain(question: Question) -> Explanation:
    """Decide, and find out everything about why. Takes a thousand times as long as to decide."""
    decision = reason_for(question)
    if decision.reason is Reason.POLICY_ERROR:
        return Explanation(question, decision)
    parts = (question.actor, question.resource, question.context, clock.timestamp())
    if decision.allowed:
        actor, resource, context, now = parts
        proof = policy().prove(actor, question.action, resource, context, now)
        return Explanation(question, decision, *(proof or ()))
    path = decision.path if decision.leaf is None else policy().path_of(decision.leaf)
    looked_at = readings(path, *parts)
    alternatives = list(smallest_changes(question))[:_MOST_ALTERNATIVES]
    return Explanation(
        question,
        decision,
        readings=tuple(reading for _slot, reading in looked_at),
        alternatives=tuple(_marked(question, changes) for changes in alternatives),
    )


def seen_by(asker: facts.Fact, explanation: Explanation) -> Explanation:
    """Return what `asker` may know of an explanation: what is about themselves, and what the policy lets them read."""

    def sees(fact: facts.Fact | None) -> bool:
        match fact:
            case facts.Person():
                return fact == asker or any(sees(held) for held in fact.memberships)
            case facts.Membership():
                return fact.person == asker or _may_read(asker, fact)
            case facts.Organisation():
                return (
                    fact == ANYWHERE
                    or _may_read(asker, fact)
                    or (
                        isinstance(asker, facts.Person) and any(held.organisation == fact for held in asker.memberships)
                    )
                )
            case facts.Grant():
                return sees(fact.role)
            case facts.Role():
                return sees(fact.service)
            case facts.Service():
                return _may_read(asker, fact)
        return True

    return _filtered(explanation, sees)


def seen_by_client(client: facts.Client, explanation: Explanation) -> Explanation:
    """Return what a program may know of an explanation: the service that it asks for and its roles, and nobody's place.

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

    seen = _filtered(explanation, sees)
    return replace(seen, readings=tuple(reading for reading in seen.readings if sees_reading(reading)))


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


def _decide(question: Question) -> Decision:
    return decide(question.actor, question.action, question.resource, question.context)


def _is_same(known: _Remembered, question: Question, denied: Decision) -> bool:
    # The decision belongs to one policy and one way through it.
    return (
        known.denied is denied
        and _tells_nothing(question.context)
        and (
            known.question.roles is question.roles
            or [id(role) for role in known.question.roles] == [id(role) for role in question.roles]
        )
    )


def _tells_nothing(context: facts.Context) -> bool:
    return context.action is facts.NO_PROPERTIES and context.request is facts.NO_PROPERTIES


def _next_turn(actor: facts.Fact, now: float) -> float:
    """Return when next a grant of `actor` starts or ends."""
    moments = (
        moment.timestamp()
        for held in (actor.memberships if isinstance(actor, facts.Person) else ())
        for grant in held.grants
        for moment in (grant.starts_at, grant.ends_at)
        if moment is not None
    )
    return min((moment for moment in moments if moment > now), default=inf)


def _may_read(asker: facts.Fact, fact: facts.Fact) -> bool:
    return decide(asker, Action.READ, fact).allowed


def _marked(question: Question, changes: Changes) -> tuple[Needed, ...]:
    after = made(question, changes)
    return tuple(Needed(change, _who_may(change, question, after)) for change in changes)


def _who_may(change: Change, before: Question, after: Question) -> Who:
    """Return who the policy lets make `change`, once the others of its set have been made."""
    if change.reason is Reason.PERSON_NOT_ACTIVE and _is_invited(before.actor):
        return Who.PERSON
    if change.staff_role is not None:
        return Who.OPERATOR
    at = None if change.organisation is None else _as_after(change.organisation, after)
    asked = _what_it_takes(change, before, at)
    if not asked:
        return Who.NOBODY
    if at is not None and all(decide(_officer_of(at), action, fact).allowed for action, fact in asked):
        return Who.EXAMS_OFFICERS
    staff = facts.Person("", str(PersonState.ACTIVE), (str(StaffRole.SUPPORT),))
    return Who.SUPPORT if all(decide(staff, action, fact).allowed for action, fact in asked) else Who.NOBODY


def _what_it_takes(change: Change, before: Question, at: facts.Organisation | None) -> list[tuple[str, facts.Fact]]:
    """Return what somebody must be allowed to do, to make `change` at `at`; nothing where nobody can."""
    held = change.membership
    if at is not None and held is not None:
        # As it would be with the organisation open; the place itself as it stands.
        held = facts.Membership(held.public_id, held.person, at, held.state, held.grants)
    match change.reason:
        case Reason.OWN_MEMBERSHIP:
            return [] if held is None else [(before.action, held)]
        case Reason.NOT_ALLOWED:
            # No account becomes one that was never activated.
            action = _LEADS_TO.get(change.state or "")
            return [] if held is None or action is None else [(action, held)]
        case Reason.NO_MEMBERSHIP:
            return [] if at is None else [(Action.ADD_PERSON, at)]
        case Reason.MEMBERSHIP_NOT_ACTIVE:
            return [] if held is None else [(Action.REACTIVATE, held)]
        case Reason.ROLE_NOT_STARTED | Reason.ROLE_ENDED | Reason.ROLE_MISSING if change.role is not None:
            role = change.role
            at_place = facts.Role(role.slug, role.service, at, officers_may_give=role.officers_may_give)
            give: list[tuple[str, facts.Fact]] = [(Action.GIVE, at_place)]
            return give if held is None else [*give, (Action.CHANGE_ROLES, held)]
    return []


def _is_invited(actor: facts.Fact) -> bool:
    return isinstance(actor, facts.Person) and actor.state == PersonState.INVITED


def _as_after(organisation: facts.Organisation, after: Question) -> facts.Organisation:
    memberships = after.actor.memberships if isinstance(after.actor, facts.Person) else ()
    return next((held.organisation for held in memberships if held.organisation == organisation), organisation)


def _officer_of(organisation: facts.Organisation) -> facts.Person:
    """Return what every exams officer of `organisation` has in common."""
    officer = facts.Person("", str(PersonState.ACTIVE))
    managing = facts.Grant(facts.Role(USER_MANAGEMENT, None, organisation, officers_may_give=True), None, None)
    officer.memberships = (facts.Membership("", officer, organisation, str(MembershipState.ACTIVE), (managing,)),)
    return officer
