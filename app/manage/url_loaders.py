"""What the addresses of this surface name. Whatever is not of the organisation in the address does not exist."""

from collections.abc import Collection

from app.memberships.models import Membership
from app.memberships.queries import membership_with_id
from app.organisations.models import Organisation
from app.organisations.queries import organisation_with_id
from app.services.models import Role
from app.services.queries import roles
from app.ui.authorization import can, role_at
from app.ui.current_organisation import act_here
from app.vocabulary import Action


def organisation(organisation_id: str) -> Organisation | None:
    """Return the organisation of the address, which the page then acts in."""
    found = organisation_with_id(organisation_id)
    # Every page names the place that it acts in, and so would the one that says "not found".
    if found is not None and can(Action.ACT_IN, found):
        act_here(found)
    return found


def membership(organisation_id: str, membership_id: str) -> Membership | None:
    """Return the membership of the address, if it is one of the organisation of the address."""
    at = organisation(organisation_id)
    found = membership_with_id(at, membership_id) if at else None
    if found is not None and at is not None:
        found.organisation = at
    return found


def roles_to_give(at: Organisation, held: Collection[str] = ()) -> list[Role]:
    """Return the roles that whoever is at the door may give and take at `at`.

    Of a service that they may not know of only those that are `held` (slugs), so that they can be taken.
    """
    return [
        role
        for role in roles()
        if can(Action.GIVE, role_at(role, at))
        and (role.service is None or role.slug in held or can(Action.READ, role.service))
    ]
