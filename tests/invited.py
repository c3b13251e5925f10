"""Nora Field, who is not of the cast: her address, and the links in her mail."""

from app.accounts.queries import invitation_with
from tests.browsing import mailed_link

ADDRESS = "nora.field@example.org"
PASSWORD = "violet tractor harmonica"


def token() -> str:
    """Return what the newest link in Nora's mail carries."""
    return mailed_link(ADDRESS).rpartition("/")[2]


def works(link: str) -> bool:
    """Return whether the invitation with this token can still be used."""
    invitation = invitation_with(link)
    return invitation is not None and invitation.is_open
