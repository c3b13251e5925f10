"""Counterfactuals: which smallest sets of changes to the facts would turn a deny into an allow.

Nothing here knows the rules: each change is applied to a copy of the facts, and the policy is asked. So an explanation
cannot say something that the policy does not.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from time import thread_time
from typing import NamedTuple

from app.authz import facts
from app.authz.decision_point import DecisionRequest, decide_request
from app.kernel import clock
from app.vocabulary import MembershipState, OrganisationState, PersonState, Reason, ServiceState, StaffRole

ORDER = (
    Reason.PERSON_NOT_ACTIVE,
    Reason.OWN_MEMBERSHIP,
    Reason.NO_MEMBERSHIP,
    Reason.ORGANISATION_NOT_ACTIVE,
    Reason.MEMBERSHIP_NOT_ACTIVE,
    Reason.SERVICE_NOT_LIVE,
    Reason.ROLE_NOT_STARTED,
    Reason.ROLE_ENDED,
    Reason.ROLE_MISSING,
    Reason.NOT_ALLOWED,
)
"""What can stand in the way, most fundamental first; last, that another person's state is not the one needed."""

# Plain strings, as facts from the database hold: a member of an enumeration is of a type that no replay knows.
_ACTIVE_PERSON = str(PersonState.ACTIVE)
_INVITED_PERSON = str(PersonState.INVITED)
_ACTIVE_MEMBERSHIP = str(MembershipState.ACTIVE)
_SUSPENDED_MEMBERSHIP = str(MembershipState.SUSPENDED)
_ACTIVE_ORGANISATION = str(OrganisationState.ACTIVE)
_LIVE_SERVICE = str(ServiceState.LIVE)

_RANK = {reason: rank for rank, reason in enumerate(ORDER)}
ANY_ORGANISATION = facts.Organisation("", _ACTIVE_ORGANISATION, "UTC")
"""Stands for an organisation, for a person who belongs to none when none is asked about."""
_NEW_MEMBERSHIP = ""


class Change(NamedTuple):
    """One change of the facts: a state, a membership, a day of a grant, a role.

    `organisation` says where, `membership` is the one there if there is one yet, `role` is the role as held there,
    `grant` the one whose days are wrong. `staff_role` is a role on the platform. `state` is the new state of the
    membership that is asked about, or of its person (`invited`).
    """

    reason: Reason
    organisation: facts.Organisation | None = None
    membership: facts.Membership | None = None
    role: facts.Role | None = None
    grant: facts.Grant | None = None
    staff_role: str | None = None
    state: str | None = None


Changes = tuple[Change, ...]


class BudgetExceededError(Exception):
    """To find the smallest sets of changes takes more than it may."""


class Budget(NamedTuple):
    """What a search for changes may take: how often it asks the policy, and seconds of this thread's processor time."""

    questions: int
    seconds: float


GENEROUS = Budget(questions=5_000, seconds=1.0)
"""For somebody who asked for an explanation."""

HelpsTo = Callable[[Collection[Change]], bool]
"""Says whether a set of changes turns the deny into an allow. Raises `BudgetExceededError`."""


def smallest_changes(request: DecisionRequest, budget: Budget = GENEROUS) -> Iterator[Changes]:
    """Yield the smallest sets of changes that would turn a deny into an allow, most fundamental first.

    Yields nothing where no set would. All sets have the same number of changes; each was tried. Raises
    `BudgetExceededError`.
    """
    helps = _within(budget, request)
    possible = sorted(possible_changes(request), key=lambda change: _RANK[change.reason])
    found = False
    for change in possible:
        if helps((change,)):
            found = True
            yield (change,)
    if not found:
        # A set without an organisation is found at each of them.
        sets = dict.fromkeys(
            changes
            for organisation_id in _organisation_ids(possible)
            for changes in _sets_at(helps, possible, organisation_id)
        )
        fewest = min(map(len, sets), default=0)
        yield from (changes for changes in sets if len(changes) == fewest)


def apply_changes(request: DecisionRequest, changes: Collection[Change]) -> DecisionRequest:
    """Return the request as it would be after the changes."""
    reasons = {change.reason for change in changes}
    actor, resource, context = request.actor, request.resource, request.context
    reopened = {change.organisation for change in changes if change.reason is Reason.ORGANISATION_NOT_ACTIVE}
    if context.organisation is not None and context.organisation in reopened:
        context = replace(context, organisation=_reopened(context.organisation))
    if Reason.SERVICE_NOT_LIVE in reasons:
        resource = _with_live_service(resource)
    if reopened:
        resource = _at_open_organisation(resource, reopened)
    if isinstance(resource, facts.Membership):
        if Reason.OWN_MEMBERSHIP in reasons:
            resource = replace(resource, public_id="", person=facts.Person("", resource.person.state))
        # The actor's own membership is part of the actor as well, and must not differ between the two.
        if resource.person != actor:
            resource = _in_states(resource, {change.state for change in changes})
    if isinstance(actor, facts.Person):
        actor = _changed_actor(actor, changes, reopened)
    return request._replace(actor=actor, resource=resource, context=context)


def _within(budget: Budget, request: DecisionRequest) -> HelpsTo:
    asked, until = 0, thread_time() + budget.seconds

    def helps(changes: Collection[Change]) -> bool:
        nonlocal asked
        asked += 1
        if asked > budget.questions or thread_time() > until:
            raise BudgetExceededError
        return decide_request(apply_changes(request, changes)).allowed

    return helps


def _organisation_ids(possible: list[Change]) -> list[str | None]:
    """Return where changes can be made; to spread a set over two organisations never makes it smaller."""
    found = dict.fromkeys(change.organisation.public_id for change in possible if change.organisation is not None)
    return list(found) or [None]


def _sets_at(helps: HelpsTo, possible: list[Change], organisation_id: str | None) -> list[Changes]:
    """Return the smallest sets of two changes or more that help, of those at one organisation and those at none.

    One change may stand in the way of all the others: a role that a rule forbids, a state of somebody else that is
    right already. Without it they are tried again. Where two do, nothing is found; to try every set would take too
    long.
    """
    here = [
        change for change in possible if change.organisation is None or change.organisation.public_id == organisation_id
    ]
    if helps(here):
        return _smallest_sets(helps, here)
    if len(here) == 2:
        # Each was tried by itself.
        return []
    sets = [
        changes
        for change in here
        if change.role is not None or change.state is not None
        if helps(others := [other for other in here if other is not change])
        for changes in _smallest_sets(helps, others)
    ]
    fewest = min(map(len, sets), default=0)
    return sorted((changes for changes in sets if len(changes) == fewest), key=_ranks)


def _ranks(changes: Changes) -> list[int]:
    return [_RANK[change.reason] for change in changes]


def _smallest_sets(helps: HelpsTo, here: Sequence[Change]) -> list[Changes]:
    """Return the smallest sets of two changes or more that help, given that all of `here` together do."""
    needed = [change for change in here if not helps([other for other in here if other is not change])]
    others = [change for change in here if change not in needed]
    for size in range(max(0, 2 - len(needed)), len(others) + 1):
        sets = [
            tuple(change for change in here if change in needed or change in added)
            for added in combinations(others, size)
            if helps([*needed, *added])
        ]
        if sets:
            return sets
    return []


def possible_changes(request: DecisionRequest) -> Iterator[Change]:
    """Yield every change that would change something, helpful or not."""
    actor, resource = request.actor, request.resource
    if not isinstance(actor, facts.Person):
        return
    if actor.state != _ACTIVE_PERSON:
        yield Change(Reason.PERSON_NOT_ACTIVE)
    yield from _changes_for(actor, resource)
    asked = _organisations_of(request)
    now = clock.timestamp()
    for membership in actor.memberships:
        if not asked or membership.organisation in asked:
            yield from _changes_of(membership, request.grantable_roles, now)
    missing = [
        organisation
        for organisation in asked
        if all(membership.organisation != organisation for membership in actor.memberships)
    ]
    for organisation in missing or ([] if actor.memberships else [ANY_ORGANISATION]):
        yield from _changes_of_new_membership(organisation, request.grantable_roles)


def _changes_for(actor: facts.Person, resource: facts.Fact) -> Iterator[Change]:
    match resource:
        case facts.Membership(organisation=organisation):
            if resource.person == actor:
                yield Change(Reason.OWN_MEMBERSHIP, organisation, resource)
            other = _SUSPENDED_MEMBERSHIP if resource.state == _ACTIVE_MEMBERSHIP else _ACTIVE_MEMBERSHIP
            yield Change(Reason.NOT_ALLOWED, organisation, resource, state=other)
            if resource.person.state != _INVITED_PERSON:
                yield Change(Reason.NOT_ALLOWED, organisation, resource, state=_INVITED_PERSON)
        case facts.Platform():
            for staff_role in map(str, StaffRole):
                if staff_role not in actor.staff_roles:
                    yield Change(Reason.ROLE_MISSING, staff_role=staff_role)
        case facts.Service(state=state) | facts.Role(service=facts.Service(state=state)) if state != _LIVE_SERVICE:
            yield Change(Reason.SERVICE_NOT_LIVE)


def _organisations_of(request: DecisionRequest) -> list[facts.Organisation]:
    resource = request.resource
    of_resource = resource if isinstance(resource, facts.Organisation) else getattr(resource, "organisation", None)
    asked = (request.context.organisation, of_resource)
    return list(dict.fromkeys(one for one in asked if isinstance(one, facts.Organisation)))


def _changes_of(membership: facts.Membership, roles: tuple[facts.Role, ...], now: float) -> Iterator[Change]:
    organisation = membership.organisation
    if organisation.state != _ACTIVE_ORGANISATION:
        yield Change(Reason.ORGANISATION_NOT_ACTIVE, organisation, membership)
    if membership.state != _ACTIVE_MEMBERSHIP:
        yield Change(Reason.MEMBERSHIP_NOT_ACTIVE, organisation, membership)
    for grant in membership.grants:
        if not grant.in_force(now):
            has_ended = grant.ends_at is not None and grant.ends_at.timestamp() <= now
            reason = Reason.ROLE_ENDED if has_ended else Reason.ROLE_NOT_STARTED
            yield Change(reason, organisation, membership, grant.role, grant)
    held = {grant.role.slug for grant in membership.grants}
    for role in roles:
        if role.slug not in held:
            yield Change(Reason.ROLE_MISSING, organisation, membership, replace(role, organisation=organisation))


def _changes_of_new_membership(organisation: facts.Organisation, roles: tuple[facts.Role, ...]) -> Iterator[Change]:
    yield Change(Reason.NO_MEMBERSHIP, organisation)
    if organisation.state != _ACTIVE_ORGANISATION:
        yield Change(Reason.ORGANISATION_NOT_ACTIVE, organisation)
    for role in roles:
        yield Change(Reason.ROLE_MISSING, organisation, None, replace(role, organisation=organisation))


def _reopened(organisation: facts.Organisation) -> facts.Organisation:
    return replace(organisation, state=_ACTIVE_ORGANISATION)


def _in_states(membership: facts.Membership, states: Collection[str | None]) -> facts.Membership:
    """Return `membership` as it is in `states`: `invited` is a state of its person, any other of itself."""
    person = membership.person
    if _INVITED_PERSON in states:
        person = facts.changed_person(person, state=_INVITED_PERSON)
    own = next((state for state in states if state not in (None, _INVITED_PERSON)), None)
    return replace(membership, person=person, state=own or membership.state)


def _with_live_service(resource: facts.Fact) -> facts.Fact:
    if isinstance(resource, facts.Service):
        return replace(resource, state=_LIVE_SERVICE)
    if isinstance(resource, facts.Role) and resource.service is not None:
        return replace(resource, service=replace(resource.service, state=_LIVE_SERVICE))
    return resource


def _at_open_organisation(resource: facts.Fact, reopened: Collection[facts.Organisation | None]) -> facts.Fact:
    if isinstance(resource, facts.Organisation):
        return _reopened(resource) if resource in reopened else resource
    if isinstance(resource, facts.Role | facts.Membership):
        organisation = resource.organisation
        if organisation is not None and organisation in reopened:
            return replace(resource, organisation=_reopened(organisation))
    return resource


def _changed_actor(
    actor: facts.Person, changes: Collection[Change], reopened: Collection[facts.Organisation | None]
) -> facts.Person:
    state, staff_roles = actor.state, actor.staff_roles
    by_membership: dict[str, list[Change]] = {}
    joined: facts.Organisation | None = None
    for change in changes:
        if change.reason is Reason.PERSON_NOT_ACTIVE:
            state = _ACTIVE_PERSON
        elif change.reason is Reason.NO_MEMBERSHIP:
            joined = change.organisation
        elif change.staff_role is not None:
            staff_roles = tuple(sorted((*staff_roles, change.staff_role)))
        membership_id = _NEW_MEMBERSHIP if change.membership is None else change.membership.public_id
        by_membership.setdefault(membership_id, []).append(change)
    memberships = list(actor.memberships)
    if joined is not None:
        memberships.append(facts.Membership(_NEW_MEMBERSHIP, actor, joined, _ACTIVE_MEMBERSHIP, ()))
    return facts.changed_person(
        actor,
        state=state,
        staff_roles=staff_roles,
        memberships=[_changed_membership(one, by_membership.get(one.public_id, ()), reopened) for one in memberships],
    )


def _changed_membership(
    membership: facts.Membership, changes: Collection[Change], reopened: Collection[facts.Organisation | None]
) -> facts.Membership:
    organisation, state = membership.organisation, membership.state
    if organisation in reopened:
        organisation = _reopened(organisation)
    if any(change.reason is Reason.MEMBERSHIP_NOT_ACTIVE for change in changes):
        state = _ACTIVE_MEMBERSHIP
    grants = _changed_grants(membership.grants, changes)
    return replace(membership, organisation=organisation, state=state, grants=grants)


def _changed_grants(grants: tuple[facts.Grant, ...], changes: Collection[Change]) -> tuple[facts.Grant, ...]:
    in_force = {change.grant: _in_force(change.grant, change.reason) for change in changes if change.grant is not None}
    added = [
        facts.Grant(change.role, None, None)
        for change in changes
        if change.reason is Reason.ROLE_MISSING and change.role is not None
    ]
    return (*(in_force.get(grant, grant) for grant in grants), *added)


def _in_force(grant: facts.Grant, reason: Reason) -> facts.Grant:
    return replace(grant, ends_at=None) if reason is Reason.ROLE_ENDED else replace(grant, starts_at=None)
