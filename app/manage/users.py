"""The list of users, and the page of one user with their roles."""

from dataclasses import dataclass

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.models import Invitation
from app.accounts.queries import primary_address, waiting_invitations
from app.authz import facts
from app.authz.information import directory
from app.kernel import clock
from app.kernel.paging import page_of
from app.mail.queries import undelivered
from app.manage import blueprint, url_loaders
from app.manage.forms import RolesForm
from app.manage.why import service_access
from app.memberships import operations as memberships
from app.memberships.models import Grant, Membership
from app.memberships.queries import grants_of, memberships_at
from app.organisations.models import Organisation
from app.ui.authentication import signed_in_person
from app.ui.authorization import actor, can, guarded_fact, requires
from app.ui.officers import officers_of
from app.vocabulary import Action


@dataclass(frozen=True)
class UserRow:
    """One line of the list."""

    membership: Membership
    fact: facts.Membership
    grants: list[Grant]
    ran_out: bool
    """Whether they were invited and the link has expired."""


@blueprint.get("")
@requires(Action.LIST_PEOPLE, url_loaders.organisation)
def users(organisation: Organisation) -> ResponseReturnValue:
    """List the people of the organisation, page by page, all or those who match a search."""
    search = " ".join(request.args.get("search", "").split())[:100]
    page = page_of(memberships_at(organisation, search), request.args.get("page", 1, type=int))
    grants = grants_of(page.rows)
    invitations = waiting_invitations(organisation, [row.person for row in page.rows])
    rows = [
        UserRow(membership, fact, grants.get(membership.id, []), _has_run_out(invitations.get(membership.person_id)))
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
    grants = _grants(membership)
    return _user_page(membership, grants, _roles_form(membership, grants))


@blueprint.post("/<string:membership_id>")
@requires(Action.CHANGE_ROLES, url_loaders.membership)
def change_roles(membership: Membership) -> ResponseReturnValue:
    """Save the roles that were ticked and unticked."""
    grants = _grants(membership)
    form = _roles_form(membership, grants)
    if not form.validate():
        return _user_page(membership, grants, form), 422
    give, take = form.changes()
    if give or take:
        memberships.change_roles(membership, give=give, take=take, reason=form.reason.data, by=signed_in_person())
        flash(f"The changes for {membership.shown_name} have been saved.", "success")
        _warn_of_ended(give, membership.organisation)
    else:
        flash("Nothing was different, so nothing was changed.", "info")
    return redirect(url_loaders.page_of_user(membership), 303)


def _warn_of_ended(given: list[memberships.RoleGiven], organisation: Organisation) -> None:
    """Warn of roles that were given with a last day in the past: a mistyped year is easily overlooked."""
    today = clock.today(organisation.time_zone)
    for one in given:
        if one.last_day and one.last_day < today:
            flash(f"The last day of {one.role.full_name} is over, so it opens nothing.", "warning")


def _grants(membership: Membership) -> list[Grant]:
    return grants_of([membership]).get(membership.id, [])


def _roles_form(membership: Membership, grants: list[Grant]) -> RolesForm:
    held = {grant.role.slug for grant in grants}
    return RolesForm(url_loaders.roles_to_give(membership.organisation, held), grants)


def _user_page(membership: Membership, grants: list[Grant], form: RolesForm) -> str:
    organisation, person, fact = membership.organisation, membership.person, guarded_fact()
    invitation = waiting_invitations(organisation, [person]).get(membership.person_id)
    own = person == signed_in_person()
    address = primary_address(person)
    return render_template(
        "manage/user.html",
        membership=membership,
        person=person,
        organisation=organisation,
        address=address,
        fact=fact,
        invitation=invitation,
        undelivered=undelivered(address) if invitation else None,
        ran_out=_has_run_out(invitation),
        services=service_access(fact) if membership.is_known else [],
        form=form,
        grants=grants,
        own=own,
        officers=officers_of(organisation, besides=actor()) if own else [],
        today=clock.today(organisation.time_zone),
    )


def _has_run_out(invitation: Invitation | None) -> bool:
    return invitation is not None and not invitation.is_open
