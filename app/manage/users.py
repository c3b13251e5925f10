"""The list of users, and one of them: what they are and what they may open."""

from dataclasses import dataclass
from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.models import Invitation
from app.accounts.queries import primary_address, waiting_invitations
from app.authz import facts
from app.authz.information import directory
from app.kernel import clock
from app.kernel.paging import page_of
from app.kernel.plain_text import without_hidden
from app.manage import blueprint, url_loaders
from app.manage.why import doors
from app.memberships.models import Grant, Membership
from app.memberships.operations import RoleGiven
from app.memberships.operations import change_roles as change
from app.memberships.queries import grants_of, memberships_at
from app.organisations.models import Organisation
from app.services.models import Role
from app.ui.authentication import signed_in_person
from app.ui.authorization import actor, asked_about, can, requires
from app.ui.officers import officers_of
from app.vocabulary import Action

_LONGEST_REASON = 200
_PARTS_SHOWN = 3
_EARLIEST, _LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""Nobody means a day outside these; near the ends of the calendar there is no next midnight to count to."""


@dataclass(frozen=True)
class UserRow:
    """One line of the list."""

    membership: Membership
    fact: facts.Membership
    grants: list[Grant]
    ran_out: bool
    """Whether they were invited and the link does not work any more."""


@dataclass
class RoleBox:
    """One role of the form: whether it is ticked, from when until when, and what is wrong with the dates."""

    role: Role
    ticked: bool
    first_day: str
    last_day: str
    error: str = ""


@blueprint.get("")
@requires(Action.LIST_PEOPLE, url_loaders.organisation)
def users(organisation: Organisation) -> ResponseReturnValue:
    """List the people of the organisation, page by page, all or those who match a search."""
    search = " ".join(request.args.get("search", "").split())[:100]
    page = page_of(memberships_at(organisation, search), request.args.get("page", 1, type=int))
    held = grants_of(page.rows)
    invitations = waiting_invitations(organisation, [row.person for row in page.rows])
    rows = [
        UserRow(membership, fact, held.get(membership.id, []), _ran_out(invitations.get(membership.person_id)))
        for membership, fact in zip(page.rows, directory.memberships(page.rows), strict=True)
        if fact is not None and can(Action.READ, fact)
    ]
    return render_template(
        "manage/users.html",
        organisation=organisation,
        page=page,
        rows=rows,
        search=search,
        me=signed_in_person(),
        today=clock.today(organisation.time_zone),
    )


@blueprint.get("/<string:membership_id>")
@requires(Action.READ, url_loaders.membership)
def user(membership: Membership) -> ResponseReturnValue:
    """Show one person: details, roles, and what can be done."""
    return _user_page(membership, _boxes(membership))


@blueprint.post("/<string:membership_id>")
@requires(Action.CHANGE_ROLES, url_loaders.membership)
def change_roles(membership: Membership) -> ResponseReturnValue:
    """Save the tick boxes.

    Only what differs from what the page showed is changed: a page that was open while a colleague took a role away or
    changed its days does not bring the old state back.
    """
    boxes = _boxes_sent(membership)
    shown = _shown()
    for box in boxes:
        if not box.ticked and (box.first_day, box.last_day) not in {shown.get(box.role.slug), ("", "")}:
            box.error = f"Tick {box.role.full_name} as well, or clear its dates."
    give = [
        RoleGiven(box.role, *_days(box))
        for box in boxes
        if box.ticked and (box.first_day, box.last_day) != shown.get(box.role.slug)
    ]
    if any(box.error for box in boxes):
        return _user_page(membership, boxes), 422
    held = _held(membership)
    take = [box.role for box in boxes if not box.ticked and box.role.slug in shown and box.role.slug in held]
    if give or take:
        reason = without_hidden(" ".join(request.form.get("reason", "").split()))[:_LONGEST_REASON]
        change(membership, give=give, take=take, reason=reason, by=signed_in_person())
        flash(f"The changes for {membership.shown_name} have been saved.", "success")
        _warn_of_ended(give, membership.organisation)
    else:
        flash("Nothing was different, so nothing was changed.", "info")
    return redirect(_address_of(membership), 303)


def _warn_of_ended(given: list[RoleGiven], organisation: Organisation) -> None:
    """Say which of the roles just given had their last day already: a year that was mistyped is easily overlooked."""
    today = clock.today(organisation.time_zone)
    for one in given:
        if one.last_day and one.last_day < today:
            flash(f"The last day of {one.role.full_name} is over, so it opens nothing.", "warning")


def _user_page(membership: Membership, boxes: list[RoleBox]) -> str:
    invitation = waiting_invitations(membership.organisation, [membership.person]).get(membership.person_id)
    own = membership.person == signed_in_person()
    return render_template(
        "manage/user.html",
        membership=membership,
        person=membership.person,
        organisation=membership.organisation,
        address=primary_address(membership.person),
        fact=asked_about(),
        invitation=invitation,
        ran_out=_ran_out(invitation),
        doors=doors(asked_about()) if membership.is_known else [],
        boxes=boxes,
        # A form that comes back still means what its page showed first.
        shown=_shown() if request.method == "POST" else _held(membership),
        grants=grants_of([membership]).get(membership.id, []),
        own=own,
        officers=officers_of(membership.organisation, besides=actor()) if own else [],
        today=clock.today(membership.organisation.time_zone),
        errors=[box for box in boxes if box.error],
        reason=request.form.get("reason", ""),
    )


def _ran_out(invitation: Invitation | None) -> bool:
    return invitation is not None and not invitation.is_open


def _address_of(membership: Membership) -> str:
    return url_for("manage.user", organisation_id=membership.organisation.public_id, membership_id=membership.public_id)


def _boxes(membership: Membership) -> list[RoleBox]:
    """Return the roles that can be ticked here, as they are held."""
    held = _held(membership)
    return [
        RoleBox(role, role.slug in held, *held.get(role.slug, ("", "")))
        for role in url_loaders.roles_to_give(membership.organisation, held)
    ]


def _boxes_sent(membership: Membership) -> list[RoleBox]:
    """Return the roles that can be ticked here, as the form was sent."""
    ticked = set(request.form.getlist("role"))
    return [
        RoleBox(
            role,
            role.slug in ticked,
            request.form.get(f"first-{role.slug}", "").strip(),
            request.form.get(f"last-{role.slug}", "").strip(),
        )
        for role in url_loaders.roles_to_give(membership.organisation, _held(membership))
    ]


def _held(membership: Membership) -> dict[str, tuple[str, str]]:
    """Return the roles that are held now, with their first and last days as forms write them."""
    return {
        grant.role.slug: (_written(grant.first_day), _written(grant.last_day))
        for grant in grants_of([membership]).get(membership.id, [])
    }


def _shown() -> dict[str, tuple[str, str]]:
    """Return the roles that were held when the page was made, as its form says."""
    told = (text.split("|") for text in request.form.getlist("shown"))
    return {parts[0]: (parts[1], parts[2]) for parts in told if len(parts) == _PARTS_SHOWN}


def _written(day: date | None) -> str:
    return day.isoformat() if day else ""


def _days(box: RoleBox) -> tuple[date | None, date | None]:
    """Return the days of a box, and note on the box what is wrong with them."""
    try:
        first, last = (date.fromisoformat(text) if text else None for text in (box.first_day, box.last_day))
    except ValueError:
        box.error = f"Enter the dates for {box.role.full_name} as year-month-day, such as 2027-01-31."
        return None, None
    if any(day and not _EARLIEST <= day <= _LATEST for day in (first, last)):
        box.error = f"The dates for {box.role.full_name} must be between {_EARLIEST.year} and {_LATEST.year}."
    elif first and last and last < first:
        box.error = f"The last day for {box.role.full_name} must not be before its first day."
    return first, last
