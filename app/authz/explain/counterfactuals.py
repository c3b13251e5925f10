"""What could be changed about the facts, and which smallest changes turn a no into a yes.

Nothing here knows the rules: each change is made to a copy of the facts, and the policy is asked. So an explanation
cannot say something that the policy does not.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from app.authz import facts
from app.authz.decision_point import decide
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
"""What can stand in the way, most fundamental first; last, that somebody else stands otherwise than this needs."""

# Plain texts, as facts from the database hold: a member of an enumeration is of another kind, which no replay knows.
_ACTIVE_ACCOUNT = str(PersonState.ACTIVE)
_ACTIVE_PLACE = str(MembershipState.ACTIVE)
_SUSPENDED_PLACE = str(MembershipState.SUSPENDED)
_INVITED = str(PersonState.INVITED)
_OPEN_ORGANISATION = str(OrganisationState.ACTIVE)
_LIVE = str(ServiceState.LIVE)

_RANK = {reason: rank for rank, reason in enumerate(ORDER)}
ANYWHERE = facts.Organisation("", _OPEN_ORGANISATION, "UTC")
"""In the place of an organisation, for somebody who belongs to none when none is asked about."""
_NEW_PLACE = ""


class Question(NamedTuple):
    """What is asked, and the roles that could be given for it."""

    actor: facts.Fact
    action: str
    resource: facts.Fact
    context: facts.Context
    roles: tuple[facts.Role, ...] = ()


class Change(NamedTuple):
    """One thing that stands in the way, and is taken away: a state, a place, a day of a role, a role.

    `organisation` says where, `membership` names the place there if there is one yet, `role` is the role as held
    there, `grant` the one whose days are wrong. `staff_role` is a role at no place. `state` is the one that the
    membership asked about takes on, or its person (`invited`).
    """

    reason: Reason
    organisation: facts.Organisation | None = None
    membership: facts.Membership | None = None
    role: facts.Role | None = None
    grant: facts.Grant | None = None
    staff_role: str | None = None
    state: str | None = None


Changes = tuple[Change, ...]


def smallest_changes(question: Question) -> Iterator[Changes]:
    """Yield the sets of changes that would turn a no into a yes: the smallest ones, most fundamental first.

    None where nothing would help. All sets have the same number of changes; each was tried.
    """
    possible = sorted(possible_changes(question), key=lambda change: _RANK[change.reason])
    found = False
    for change in possible:
        if _helps(question, (change,)):
            found = True
            yield (change,)
    if not found:
        # What belongs to no place is found at each.
        sets = dict.fromkeys(changes for place in _places(possible) for changes in _of_place(question, possible, place))
        fewest = min(map(len, sets), default=0)
        yield from (changes for changes in sets if len(changes) == fewest)


def made(question: Question, changes: Collection[Change]) -> Question:
    """Return the question as it would be after the changes."""
    reasons = {change.reason for change in changes}
    resource, context = question.resource, question.context
    opened = {change.organisation for change in changes if change.reason is Reason.ORGANISATION_NOT_ACTIVE}
    if context.organisation is not None and context.organisation in opened:
        context = facts.Context(_opened(context.organisation), context.action, context.request)
    if Reason.SERVICE_NOT_LIVE in reasons:
        resource = _live(resource)
    if opened:
        resource = _at_open_organisation(resource, opened)
    if isinstance(resource, facts.Membership):
        if Reason.OWN_MEMBERSHIP in reasons:
            other = facts.Person("", resource.person.state)
            resource = facts.Membership("", other, resource.organisation, resource.state, resource.grants)
        # One's own place is part of the actor as well, and must not stand otherwise here than there.
        if resource.person != question.actor:
            resource = _otherwise(resource, {change.state for change in changes})
    actor = question.actor
    if isinstance(actor, facts.Person):
        actor = _person(actor, changes, opened)
    return Question(actor, question.action, resource, context, question.roles)


def _helps(question: Question, changes: Collection[Change]) -> bool:
    changed = made(question, changes)
    return decide(changed.actor, changed.action, changed.resource, changed.context).allowed


def _places(possible: list[Change]) -> list[str | None]:
    """Return where changes can be made; that a set spreads over two organisations never makes it smaller."""
    places = dict.fromkeys(change.organisation.public_id for change in possible if change.organisation is not None)
    return list(places) or [None]


def _of_place(question: Question, possible: list[Change], place: str | None) -> list[Changes]:
    """Return the smallest sets of at least two changes that help, among those at one place and those at none.

    One change may stand in the way of all the others: a role that a rule forbids, a state of somebody else that is
    right already. Without it they are tried again. Where two do, nothing is found; to try every set would take too
    long.
    """
    here = [change for change in possible if change.organisation is None or change.organisation.public_id == place]
    if _helps(question, here):
        return _smallest(question, here)
    if len(here) == 2:
        # Each was tried by itself.
        return []
    sets = [
        changes
        for change in here
        if change.role is not None or change.state is not None
        if _helps(question, others := [other for other in here if other is not change])
        for changes in _smallest(question, others)
    ]
    fewest = min(map(len, sets), default=0)
    return sorted((changes for changes in sets if len(changes) == fewest), key=_ranks)


def _ranks(changes: Changes) -> list[int]:
    return [_RANK[change.reason] for change in changes]


def _smallest(question: Question, here: Sequence[Change]) -> list[Changes]:
    """Return the smallest sets of at least two changes that help, among those that help all together."""
    needed = [change for change in here if not _helps(question, [other for other in here if other is not change])]
    others = [change for change in here if change not in needed]
    for size in range(max(0, 2 - len(needed)), len(others) + 1):
        sets = [
            tuple(change for change in here if change in needed or change in more)
            for more in combinations(others, size)
            if _helps(question, [*needed, *more])
        ]
        if sets:
            return sets
    return []


def possible_changes(question: Question) -> Iterator[Change]:
    """Yield every change that would change something, helpful or not."""
    actor, resource = question.actor, question.resource
    if not isinstance(actor, facts.Person):
        return
    if actor.state != _ACTIVE_ACCOUNT:
        yield Change(Reason.PERSON_NOT_ACTIVE)
    yield from _possible_for(actor, resource)
    wanted = _asked_organisations(question)
    now = clock.timestamp()
    for held in actor.memberships:
        if not wanted or held.organisation in wanted:
            yield from _possible_at(held, question.roles, now)
    missing = [at for at in wanted if all(held.organisation != at for held in actor.memberships)]
    for at in missing or ([] if actor.memberships else [ANYWHERE]):
        yield from _possible_at_new_place(at, question.roles)


def _possible_for(actor: facts.Person, resource: facts.Fact) -> Iterator[Change]:
    match resource:
        case facts.Membership(organisation=at):
            if resource.person == actor:
                yield Change(Reason.OWN_MEMBERSHIP, at, resource)
            other = _SUSPENDED_PLACE if resource.state == _ACTIVE_PLACE else _ACTIVE_PLACE
            yield Change(Reason.NOT_ALLOWED, at, resource, state=other)
            if resource.person.state != _INVITED:
                yield Change(Reason.NOT_ALLOWED, at, resource, state=_INVITED)
        case facts.Platform():
            for staff_role in map(str, StaffRole):
                if staff_role not in actor.staff_roles:
                    yield Change(Reason.ROLE_MISSING, staff_role=staff_role)
        case facts.Service(state=state) | facts.Role(service=facts.Service(state=state)) if state != _LIVE:
            yield Change(Reason.SERVICE_NOT_LIVE)


def _asked_organisations(question: Question) -> list[facts.Organisation]:
    resource = question.resource
    of_resource = resource if isinstance(resource, facts.Organisation) else getattr(resource, "organisation", None)
    asked = (question.context.organisation, of_resource)
    return list(dict.fromkeys(at for at in asked if isinstance(at, facts.Organisation)))


def _possible_at(held: facts.Membership, roles: tuple[facts.Role, ...], now: float) -> Iterator[Change]:
    at = held.organisation
    if at.state != _OPEN_ORGANISATION:
        yield Change(Reason.ORGANISATION_NOT_ACTIVE, at, held)
    if held.state != _ACTIVE_PLACE:
        yield Change(Reason.MEMBERSHIP_NOT_ACTIVE, at, held)
    for grant in held.grants:
        if not grant.in_force(now):
            has_ended = grant.ends_at is not None and grant.ends_at.timestamp() <= now
            reason = Reason.ROLE_ENDED if has_ended else Reason.ROLE_NOT_STARTED
            yield Change(reason, at, held, grant.role, grant)
    slugs = {grant.role.slug for grant in held.grants}
    for role in roles:
        if role.slug not in slugs:
            yield Change(Reason.ROLE_MISSING, at, held, _role_at(role, at))


def _possible_at_new_place(at: facts.Organisation, roles: tuple[facts.Role, ...]) -> Iterator[Change]:
    yield Change(Reason.NO_MEMBERSHIP, at)
    if at.state != _OPEN_ORGANISATION:
        yield Change(Reason.ORGANISATION_NOT_ACTIVE, at)
    for role in roles:
        yield Change(Reason.ROLE_MISSING, at, None, _role_at(role, at))


def _role_at(role: facts.Role, at: facts.Organisation) -> facts.Role:
    return facts.Role(role.slug, role.service, at, officers_may_give=role.officers_may_give)


def _opened(organisation: facts.Organisation) -> facts.Organisation:
    return facts.Organisation(organisation.public_id, _OPEN_ORGANISATION, organisation.time_zone)


def _otherwise(held: facts.Membership, states: Collection[str | None]) -> facts.Membership:
    """Return `held` as it is in `states`: `invited` is its person's, any other its own."""
    person = held.person
    if _INVITED in states:
        person = facts.Person(person.public_id, _INVITED, person.staff_roles, person.properties)
        person.memberships = held.person.memberships
    own = next((state for state in states if state not in (None, _INVITED)), None)
    return facts.Membership(held.public_id, person, held.organisation, own or held.state, held.grants)


def _live(resource: facts.Fact) -> facts.Fact:
    if isinstance(resource, facts.Service):
        return facts.Service(resource.slug, _LIVE)
    if isinstance(resource, facts.Role) and resource.service is not None:
        live = facts.Service(resource.service.slug, _LIVE)
        return facts.Role(resource.slug, live, resource.organisation, officers_may_give=resource.officers_may_give)
    return resource


def _at_open_organisation(resource: facts.Fact, opened: Collection[facts.Organisation | None]) -> facts.Fact:
    if isinstance(resource, facts.Organisation):
        return _opened(resource) if resource in opened else resource
    at = getattr(resource, "organisation", None)
    if at is None or at not in opened:
        return resource
    if isinstance(resource, facts.Role):
        return _role_at(resource, _opened(at))
    if isinstance(resource, facts.Membership):
        return facts.Membership(resource.public_id, resource.person, _opened(at), resource.state, resource.grants)
    return resource


def _person(
    person: facts.Person, changes: Collection[Change], opened: Collection[facts.Organisation | None]
) -> facts.Person:
    state, staff_roles = person.state, person.staff_roles
    by_place: dict[str, list[Change]] = {}
    new: facts.Organisation | None = None
    for change in changes:
        if change.reason is Reason.PERSON_NOT_ACTIVE:
            state = _ACTIVE_ACCOUNT
        elif change.reason is Reason.NO_MEMBERSHIP:
            new = change.organisation
        elif change.staff_role is not None:
            staff_roles = tuple(sorted((*staff_roles, change.staff_role)))
        place = _NEW_PLACE if change.membership is None else change.membership.public_id
        by_place.setdefault(place, []).append(change)
    copy = facts.Person(person.public_id, state, staff_roles, person.properties)
    memberships = []
    for held in person.memberships:
        here = by_place.get(held.public_id, ())
        at = _opened(held.organisation) if opened and held.organisation in opened else held.organisation
        grants = _grants(held.grants, here) if here else held.grants
        standing = held.state
        if any(change.reason is Reason.MEMBERSHIP_NOT_ACTIVE for change in here):
            standing = _ACTIVE_PLACE
        memberships.append(facts.Membership(held.public_id, copy, at, standing, grants))
    if new is not None:
        at = _opened(new) if new in opened else new
        grants = _grants((), by_place.get(_NEW_PLACE, ()))
        memberships.append(facts.Membership(_NEW_PLACE, copy, at, _ACTIVE_PLACE, grants))
    copy.memberships = tuple(memberships)
    return copy


def _grants(held: tuple[facts.Grant, ...], changes: Collection[Change]) -> tuple[facts.Grant, ...]:
    in_force = {change.grant: _in_force(change.grant, change.reason) for change in changes if change.grant is not None}
    given = [
        facts.Grant(change.role, None, None)
        for change in changes
        if change.reason is Reason.ROLE_MISSING and change.role is not None
    ]
    return (*(in_force.get(grant, grant) for grant in held), *given)


def _in_force(grant: facts.Grant, reason: Reason) -> facts.Grant:
    if reason is Reason.ROLE_ENDED:
        return facts.Grant(grant.role, grant.starts_at, None)
    return facts.Grant(grant.role, None, grant.ends_at)
