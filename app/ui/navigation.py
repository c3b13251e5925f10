"""The left-hand menu: what the policy lets somebody reach, and nothing else."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from app.authz import directory
from app.ui.acting import acting_organisation, open_organisations
from app.ui.asking import can
from app.ui.signed_in import signed_in_person
from app.vocabulary import Action


@dataclass(frozen=True)
class Item:
    """One entry of the menu. `group` is the heading that it stands under, if any."""

    label: str
    address: str
    current: bool
    group: str = ""


def menu() -> list[Item]:
    """Return the menu of the signed-in person."""
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


def _item(label: str, endpoint: str, group: str = "", **address: Any) -> Item:
    target = url_for(endpoint, **address)
    here = request.script_root + request.path
    # Every page below a list belongs to its entry: the pages about users all light up Users.
    current = here == target or (group != "" and here.startswith(f"{target}/"))
    return Item(label, target, current, group)
