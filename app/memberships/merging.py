"""Merging two organisations into one."""

from app.accounts.models import Invitation, Person
from app.accounts.queries import reference_of
from app.audit.operations import record
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.memberships.models import Grant, Membership
from app.memberships.queries import membership_of
from app.organisations.models import Organisation
from app.vocabulary import EventName, MembershipState, OrganisationState


@change
def merge_organisations(source: Organisation, target: Organisation, *, by: Person | None) -> int:
    """Move the people of `source`, with their roles and invitations, to `target`, and close `source`.

    Somebody who belongs to both keeps the roles of both, but for those of a place where they were suspended. Cannot be
    undone. Returns how many people were moved.

    Raises `ProblemError` when the two are one, or when either is closed.
    """
    if source.id == target.id:
        raise ProblemError("An organisation is merged with another one, not with itself.")
    for row in (source, target):
        if Organisation.get_by_id(row.id).state == OrganisationState.CLOSED:
            raise ProblemError(f"{row.name} is closed.")
    places = Membership.select().where(Membership.organisation == source, Membership.state != MembershipState.ENDED)
    moved = 0
    for place in list(places):
        _move(place, target)
        moved += 1
    Invitation.update(organisation=target).where(Invitation.organisation == source).execute()
    Organisation.update(state=OrganisationState.CLOSED).where(Organisation.id == source.id).execute()
    # Whoever has a place at `source` is read anew.
    record(
        EventName.ORGANISATION_MERGED,
        by=reference_of(by),
        subject=source.reference,
        organisation=target.public_id,
        people=moved,
    )
    return moved


def _move(place: Membership, target: Organisation) -> None:
    other = membership_of(place.person, target)
    if other is None:
        Membership.update(organisation=target).where(Membership.id == place.id).execute()
        return
    if other.state == MembershipState.ENDED:
        # A place of the past says nothing about the one that goes on.
        Grant.delete().where(Grant.membership == other).execute()
        Membership.update(state=place.state, added_as=place.added_as, created_at=place.created_at).where(
            Membership.id == other.id
        ).execute()
        Grant.update(membership=other).where(Grant.membership == place).execute()
    elif place.state == MembershipState.ACTIVE:
        held = Grant.select(Grant.role).where(Grant.membership == other)
        Grant.update(membership=other).where(Grant.membership == place, Grant.role.not_in(held)).execute()
    Grant.delete().where(Grant.membership == place).execute()
    Membership.update(state=MembershipState.ENDED).where(Membership.id == place.id).execute()
