"""Northfield Academy, whose users the tests manage."""

from collections.abc import Callable, Collection

from app.memberships.models import Grant, Membership
from tests.browsing import Browser, Page

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


def offered_roles(page: Page) -> set[str]:
    """Return the roles that can be ticked on the page of a user."""
    return {box["name"].removesuffix("-held") for box in page.root.all("input") if box["name"].endswith("-held")}


def ticked_roles(page: Page) -> set[str]:
    """Return the roles that are ticked on the page of a user."""
    return {slug for slug in offered_roles(page) if page.ticked(f"{slug}-held")}


def ticks(page: Page, slugs: Collection[str]) -> dict[str, list[str]]:
    """Return what to type into the page of a user so that exactly these roles are ticked."""
    offered = offered_roles(page)
    assert set(slugs) <= offered
    return {f"{slug}-held": ["y"] if slug in slugs else [] for slug in offered}


def held(*slugs: str) -> dict[str, str]:
    """Return the fields of a hand-made form in which these roles are ticked."""
    return {f"{slug}-held": "y" for slug in slugs}


def shown(slug: str, first_day: str = "", last_day: str = "") -> dict[str, str]:
    """Return the fields of a hand-made form whose page showed that a role was held, on these days."""
    return {f"{slug}-shown": "y", f"{slug}-shown_first_day": first_day, f"{slug}-shown_last_day": last_day}
