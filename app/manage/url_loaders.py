"""What the addresses of this surface name. Whatever is not of the organisation in the address does not exist."""

from collections.abc import Collection

from flask import url_for

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
    """Return the organisation of the address, which becomes the current one of the page."""
    found = organisation_with_id(organisation_id)
    # Every page names its organisation, the one that says "not found" as well, so it must be one that may be seen.
    if found is not None and can(Action.ACT_IN, found):
        act_here(found)
    return found


def membership(organisation_id: str, membership_id: str) -> Membership | None:
    """Return the membership of the address, if it belongs to the organisation of the address."""
    at = organisation(organisation_id)
    found = membership_with_id(at, membership_id) if at else None
    if found is not None and at is not None:
        found.organisation = at
    return found


def page_of_user(membership: Membership) -> str:
    """Return the address of the page of a user."""
    return url_for("manage.user", organisation_id=membership.organisation.public_id, membership_id=membership.public_id)


def roles_to_give(organisation: Organisation, held: Collection[str] = ()) -> list[Role]:
    """Return the roles that the signed-in person may give and take at `organisation`.

    A role of a service that they may not know of is among them only if its slug is in `held`, so that it can be taken.
    """
    return [
        role
        for role in roles()
        if can(Action.GIVE, role_at(role, organisation))
        and (role.service is None or role.slug in held or can(Action.READ, role.service))
    ]
