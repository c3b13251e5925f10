"""The list of users, and one of them: what they are and what they may open."""

from dataclasses import dataclass
from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.authz import directory, facts
from app.grants.models import Grant
from app.grants.operations import RoleGiven
from app.grants.operations import change_roles as change
from app.grants.queries import grants_of
from app.kernel import clock
from app.kernel.paging import page_of
from app.manage import blueprint, things
from app.organisations.models import Membership, Organisation
from app.organisations.queries import memberships_at
from app.people.queries import primary_address
from app.services.models import Role
from app.ui.asking import can, requires
from app.ui.signed_in import signed_in_person
from app.vocabulary import Action

_LONGEST_REASON = 200


@dataclass(frozen=True)
class UserRow:
    """One line of the list."""

    membership: Membership
    fact: facts.Membership
    grants: list[Grant]


@dataclass
class RoleBox:
    """One role of the form: whether it is ticked, from when until when, and what is wrong with the dates."""

    role: Role
    ticked: bool
    first_day: str
    last_day: str
    error: str = ""


@blueprint.get("")
@requires(Action.LIST_PEOPLE, things.organisation)
def users(organisation: Organisation) -> ResponseReturnValue:
    """List the people of the organisation, page by page, all or those who match a search."""
    search = " ".join(request.args.get("search", "").split())[:100]
    page = page_of(memberships_at(organisation, search), request.args.get("page", 1, type=int))
    held = grants_of(page.rows)
    rows = [
        UserRow(membership, fact, held.get(membership.id, []))
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
@requires(Action.READ, things.membership)
def user(membership: Membership) -> ResponseReturnValue:
    """Show one person: details, roles, and what can be done."""
    return _user_page(membership, _boxes(membership))


@blueprint.post("/<string:membership_id>")
@requires(Action.CHANGE_ROLES, things.membership)
def change_roles(membership: Membership) -> ResponseReturnValue:
    """Save the tick boxes.

    Only what differs from what the page showed is changed: a page that was open while a colleague took a role away
    does not give it back.
    """
    boxes = _boxes(membership, from_form=True)
    before = {box.role.slug: box for box in _boxes(membership)}
    shown = set(request.form.getlist("shown"))
    give = []
    for box in boxes:
        days = _days(box)
        changed = not box.ticked or box.role.slug not in shown or _dates_changed(box, before[box.role.slug])
        if box.ticked and changed and not box.error:
            give.append(RoleGiven(box.role, *days))
    if any(box.error for box in boxes):
        return _user_page(membership, boxes), 422
    take = [box.role for box in boxes if not box.ticked and box.role.slug in shown]
    if give or take:
        reason = " ".join(request.form.get("reason", "").split())[:_LONGEST_REASON]
        change(membership, give=give, take=take, reason=reason, by=signed_in_person())
        flash(f"The changes for {membership.person.name} have been saved. They count from now on.", "success")
    else:
        flash("Nothing was different, so nothing was changed.", "info")
    return redirect(_address_of(membership), 303)


def _user_page(membership: Membership, boxes: list[RoleBox]) -> str:
    fact = directory.memberships([membership])[0]
    held = grants_of([membership]).get(membership.id, [])
    return render_template(
        "manage/user.html",
        membership=membership,
        person=membership.person,
        organisation=membership.organisation,
        address=primary_address(membership.person),
        fact=fact,
        boxes=boxes,
        # A form that comes back still means what its page showed first.
        shown=request.form.getlist("shown") or [grant.role.slug for grant in held],
        grants=held,
        own=membership.person == signed_in_person(),
        today=clock.today(membership.organisation.time_zone),
        errors=[box for box in boxes if box.error],
        reason=request.form.get("reason", ""),
    )


def _address_of(membership: Membership) -> str:
    return url_for("manage.user", organisation_id=membership.organisation.public_id, membership_id=membership.public_id)


def _boxes(membership: Membership, *, from_form: bool = False) -> list[RoleBox]:
    """Return the roles that can be ticked here, as they are held or as they were sent."""
    held = {grant.role_id: grant for grant in grants_of([membership]).get(membership.id, [])}
    ticked = set(request.form.getlist("role"))
    boxes = []
    for role in things.roles_to_give(membership.organisation):
        grant = held.get(role.id)
        if from_form:
            first, last = request.form.get(f"first-{role.slug}", ""), request.form.get(f"last-{role.slug}", "")
            boxes.append(RoleBox(role, role.slug in ticked, first.strip(), last.strip()))
        else:
            days = (grant.first_day, grant.last_day) if grant else (None, None)
            boxes.append(RoleBox(role, grant is not None, *(day.isoformat() if day else "" for day in days)))
    return boxes


def _days(box: RoleBox) -> tuple[date | None, date | None]:
    """Return the days of a box, and note on the box what is wrong with them."""
    try:
        first, last = (date.fromisoformat(text) if text else None for text in (box.first_day, box.last_day))
    except ValueError:
        box.error = f"Enter the dates for {box.role.name} as year-month-day, such as 2027-01-31."
        return None, None
    if box.ticked and first and last and last < first:
        box.error = f"The last day for {box.role.name} must not be before its first day."
    return first, last


def _dates_changed(box: RoleBox, before: RoleBox) -> bool:
    return (box.first_day, box.last_day) != (before.first_day, before.last_day)
