"""Navigation: the left-hand menu, and the way to the page that was wanted before a sign-in."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for

from app.authz.information import directory
from app.ui.authentication import signed_in_person
from app.ui.authorization import can
from app.ui.current_organisation import acting_organisation, open_organisations
from app.vocabulary import Action


@dataclass(frozen=True)
class MenuItem:
    """One entry of the menu. `group` is the heading above it, if any."""

    label: str
    address: str
    current: bool
    group: str = ""


def menu() -> list[MenuItem]:
    """Return the menu of the signed-in person: what the policy lets them reach, and nothing else."""
    if signed_in_person() is None:
        return []
    items = [_item("Home", "portal.home"), _item("Account", "portal.account")]
    organisation = acting_organisation()
    if organisation is not None and can(Action.LIST_PEOPLE, organisation):
        items.append(_item("Users", "manage.users", "Organisation", organisation_id=organisation.public_id))
    if len(open_organisations()) > 1:
        items.append(_item("Change organisation", "portal.choose_organisation"))
    if can(Action.LIST_ORGANISATIONS, directory.PLATFORM):
        items.append(_item("Organisations", "console.organisations", "Support desk"))
    if can(Action.READ_DECISIONS, directory.PLATFORM):
        items.append(_item("Decisions", "console.decisions", "Support desk"))
    return items


def destination() -> str:
    """Return the address in `next`, if it is one of this portal; else home."""
    wanted = request.args.get("next", "")
    # Browsers take a backslash for a slash, and drop tabs and line ends.
    is_path = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if is_path else url_for("portal.home")


def way_back() -> str:
    """Return the value of `next` with which a sign-in leads back here; home for an address that only takes forms.

    After the sign-in a change is not made automatically: the person returns to the page with the button.
    """
    opens = current_app.url_map.bind("").test(request.path, "GET")
    return request.full_path.rstrip("?") if opens else url_for("portal.home")


def _item(label: str, endpoint: str, group: str = "", **address: Any) -> MenuItem:
    target = url_for(endpoint, **address)
    here = request.script_root + request.path
    # Every page below a list belongs to its entry: all pages about users highlight Users.
    current = here == target or (group != "" and here.startswith(f"{target}/"))
    return MenuItem(label, target, current, group)
