"""Changes to memberships: adding people, changing their roles, suspending, reactivating and removing them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.accounts.activation import cancel_invitations, invite, new_person
from app.accounts.models import Person
from app.accounts.queries import person_with_address, primary_address, reference_of
from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.mail import letters
from app.mail.operations import queue
from app.memberships.models import Grant, Membership
from app.memberships.queries import membership_of
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.organisations.operations import add_organisation
from app.runtime import settings
from app.services.models import Role
from app.services.queries import role_with_slug
from app.vocabulary import USER_MANAGEMENT, EventName, MembershipState, PersonState


@dataclass(frozen=True)
class NewPerson:
    """A person to add: name, address in normal form, and the roles to give."""

    name: str
    address: str
    roles: Sequence[Role]


@dataclass(frozen=True)
class RoleGiven:
    """A role to give, from the beginning of `first_day` to the end of `last_day`, both optional."""

    role: Role
    first_day: date | None = None
    last_day: date | None = None


class AlreadyMemberError(ProblemError):
    """One of the people to add is a member already. `index` counts from 0."""

    def __init__(self, index: int) -> None:
        super().__init__("Somebody with this e-mail address is on your list of users already.")
        self.index = index


@change
def add_people(organisation: Organisation, people: Sequence[NewPerson], *, by: Person | None) -> list[Membership]:
    """Add several people to `organisation`, all of them or none, and mail each one.

    Raises `AlreadyMemberError` when one of them belongs to it already.
    """
    return [_add_person(organisation, person, index, by) for index, person in enumerate(people)]


@change
def set_up_organisation(
    name: str,
    centre_number: str,
    officer_name: str,
    officer_address: str,
    *,
    time_zone: str = DEFAULT_TIME_ZONE,
    by: Person | None,
) -> Organisation:
    """Add an organisation together with its first exams officer, who is mailed.

    Raises `ProblemError` when the centre number is taken, or when the officer would be `by`.
    """
    organisation = add_organisation(name, centre_number, time_zone=time_zone, by=reference_of(by))
    if by is not None and person_with_address(officer_address) == by:
        raise ProblemError("Nobody gives access to themselves. Name somebody else.", field="officer_address")
    role = role_with_slug(USER_MANAGEMENT)
    if role is None:
        raise ProblemError(
            "The role User management is missing from the catalogue, so nobody could be its exams officer."
        )
    add_people(organisation, [NewPerson(officer_name, officer_address, [role])], by=by)
    return organisation


@change
def change_roles(
    membership: Membership, *, give: Iterable[RoleGiven], take: Iterable[Role], reason: str = "", by: Person | None
) -> int:
    """Give and take roles; giving a role that is held replaces its days. Returns the revision."""
    given, taken = list(give), list(take)
    for one in given:
        Grant.delete().where(Grant.membership == membership, Grant.role == one.role).execute()
        Grant.create(
            membership=membership,
            role=one.role,
            first_day=one.first_day,
            last_day=one.last_day,
            given_by=by,
            reason=reason,
            created_at=clock.now(),
        )
    Grant.delete().where(Grant.membership == membership, Grant.role.in_([role.id for role in taken])).execute()
    return _record(
        membership,
        EventName.ROLES_CHANGED,
        by=by,
        given=[one.role.slug for one in given],
        taken=[role.slug for role in taken],
        days={
            one.role.slug: [day and day.isoformat() for day in (one.first_day, one.last_day)]
            for one in given
            if one.first_day or one.last_day
        },
        reason=reason,
    )


@change
def suspend(membership: Membership, *, by: Person | None) -> None:
    """Withhold all access at this organisation for now; roles are kept.

    Raises `ProblemError` when the membership is not active any more.
    """
    _change_state(membership, MembershipState.ACTIVE, MembershipState.SUSPENDED, EventName.MEMBER_SUSPENDED, by)


@change
def reactivate(membership: Membership, *, by: Person | None) -> None:
    """End a suspension. Raises `ProblemError` when the membership is not suspended any more."""
    _change_state(membership, MembershipState.SUSPENDED, MembershipState.ACTIVE, EventName.MEMBER_REACTIVATED, by)


@change
def remove_person(membership: Membership, *, by: Person | None) -> None:
    """End a membership and take all its roles. The account stays."""
    _end(membership, EventName.MEMBER_REMOVED, by)


@change
def cancel_invitation(membership: Membership, *, by: Person) -> None:
    """End the membership of an invited person, whose link stops working, and take all its roles."""
    _end(membership, EventName.INVITATION_CANCELLED, by)


def _add_person(organisation: Organisation, new: NewPerson, index: int, by: Person | None) -> Membership:
    known = person_with_address(new.address)
    person = known or new_person(new.name, new.address)
    membership = _open_membership(person, organisation, index, added_as=new.name if known else "")
    for role in new.roles:
        Grant.create(membership=membership, role=role, given_by=by, created_at=clock.now())
    _record(membership, EventName.MEMBER_ADDED, by=by, given=[role.slug for role in new.roles])
    if person.state == PersonState.INVITED:
        invite(person, organisation, by=by)
    else:
        inviter = settings().portal_name if by is None else by.name
        is_open = person.state == PersonState.ACTIVE
        queue(primary_address(person), *letters.added(person.name, organisation.name, inviter, is_open=is_open))
    return membership


def _open_membership(person: Person, organisation: Organisation, index: int, *, added_as: str) -> Membership:
    membership = membership_of(person, organisation)
    if membership is None:
        return Membership.create(
            public_id=new_public_id(),
            person=person,
            organisation=organisation,
            created_at=clock.now(),
            added_as=added_as,
        )
    if membership.state != MembershipState.ENDED:
        raise AlreadyMemberError(index)
    # Somebody who comes back gets the roles that were chosen now, not those of the past.
    Grant.delete().where(Grant.membership == membership).execute()
    membership.state = MembershipState.ACTIVE
    membership.created_at = clock.now()
    membership.added_as = added_as
    membership.save(only=[Membership.state, Membership.created_at, Membership.added_as])
    return membership


def _change_state(
    membership: Membership, old: MembershipState, new: MembershipState, event: EventName, by: Person | None
) -> None:
    # The row was read before the write lock was taken: the person may have been removed since.
    changed = Membership.update(state=new).where(Membership.id == membership.id, Membership.state == old).execute()
    if not changed:
        raise ProblemError("Somebody changed this meanwhile, so nothing was done.")
    membership.state = new
    _record(membership, event, by=by)


def _end(membership: Membership, event: EventName, by: Person | None) -> None:
    Grant.delete().where(Grant.membership == membership).execute()
    cancel_invitations(membership.person, membership.organisation)
    membership.state = MembershipState.ENDED
    membership.save(only=[Membership.state])
    _record(membership, event, by=by)


def _record(membership: Membership, event: EventName, *, by: Person | None, **details: Any) -> int:
    """Record an event about `membership` and return the revision."""
    return record(
        event,
        by=reference_of(by),
        subject=membership.reference,
        person=membership.person.public_id,
        organisation=membership.organisation.public_id,
        **details,
    )
