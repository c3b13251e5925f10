"""Northfield Academy, whose users the tests manage."""

from collections.abc import Callable

from app.memberships.models import Grant, Membership
from tests.browsing import Browser

USERS = "/organisations/northfield/users"
THOMAS = f"{USERS}/thomas-reed@northfield"
OLIVIA = f"{USERS}/olivia-marsh@northfield"
DANIEL = f"{USERS}/daniel-okafor@northfield"
BEN = f"{USERS}/ben-castle@northfield"

OFFICER = "portal:user-management"
# Roles that the board keeps to itself.
EARLY = "digital-question-papers:early-release"
LATE = "exam-entries:late-entries"

NewBrowser = Callable[[], Browser]


def membership(public_id: str) -> Membership:
    """Return a membership as it is stored now."""
    return Membership.get(Membership.public_id == public_id)


def roles_of(public_id: str) -> set[str]:
    """Return the roles that a membership holds now, in force or not."""
    return {grant.role.slug for grant in Grant.select().where(Grant.membership == membership(public_id))}
