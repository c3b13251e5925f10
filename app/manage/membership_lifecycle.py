"""Suspending, reactivating and removing people, and their invitations. Each is confirmed on a page of its own."""

from collections.abc import Callable

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.activation import invite
from app.accounts.models import Person
from app.accounts.queries import primary_address
from app.accounts.throttling import TooManyError, count_mail
from app.kernel.errors import ProblemError
from app.manage import blueprint, url_loaders
from app.memberships.models import Membership
from app.memberships.operations import cancel_invitation as cancel
from app.memberships.operations import reactivate as reactivate_membership
from app.memberships.operations import remove_person
from app.memberships.operations import suspend as suspend_membership
from app.memberships.queries import membership_ever_with_id
from app.organisations.models import Organisation
from app.ui.authentication import signed_in_person
from app.ui.authorization import RefusedError, can, requires
from app.ui.error_pages import refused
from app.vocabulary import Action, MembershipState

_NOT_LISTED = "This person is not on your list of users any more."
"""Without a name: whoever has left may have another one by now, and it is not for this organisation any more."""

_DONE = {
    Action.SUSPEND: (MembershipState.SUSPENDED, "{name} is suspended now."),
    Action.REACTIVATE: (MembershipState.ACTIVE, "{name} is not suspended any more."),
    Action.REMOVE: (MembershipState.ENDED, _NOT_LISTED),
    Action.CANCEL_INVITATION: (MembershipState.ENDED, _NOT_LISTED),
}
"""Where each of these leads to, and how to say that it is so already."""


@blueprint.get("/<string:membership_id>/suspend")
@requires(Action.SUSPEND, url_loaders.membership)
def confirm_suspend(membership: Membership) -> ResponseReturnValue:
    """Ask whether to suspend."""
    return _confirm(membership, "suspend")


@blueprint.post("/<string:membership_id>/suspend")
@requires(Action.SUSPEND, url_loaders.membership)
def suspend(membership: Membership) -> ResponseReturnValue:
    """Suspend."""
    return _do(
        membership,
        suspend_membership,
        "{name} has been suspended. They can open nothing here until you reactivate them.",
    )


@blueprint.post("/<string:membership_id>/reactivate")
@requires(Action.REACTIVATE, url_loaders.membership)
def reactivate(membership: Membership) -> ResponseReturnValue:
    """Reactivate."""
    return _do(membership, reactivate_membership, "{name} has been reactivated, with the roles they had.")


@blueprint.get("/<string:membership_id>/remove")
@requires(Action.REMOVE, url_loaders.membership)
def confirm_remove(membership: Membership) -> ResponseReturnValue:
    """Ask whether to remove."""
    return _confirm(membership, "remove")


@blueprint.post("/<string:membership_id>/remove")
@requires(Action.REMOVE, url_loaders.membership)
def remove(membership: Membership) -> ResponseReturnValue:
    """Remove."""
    return _do(membership, remove_person, "{name} has been removed from your organisation.", to_list=True)


@blueprint.post("/<string:membership_id>/resend-invitation")
@requires(Action.RESEND_INVITATION, url_loaders.membership)
def resend_invitation(membership: Membership) -> ResponseReturnValue:
    """Send the invitation again, with a new link."""
    address = primary_address(membership.person)
    try:
        count_mail(address, membership.organisation.public_id)
    except TooManyError:
        flash("This person has been sent several e-mails just now. Wait 15 minutes, then try again.", "warning")
        return redirect(_page_of(membership), 303)
    invite(membership.person, membership.organisation, by=signed_in_person())
    flash(
        f"A new invitation has been sent to {address}. The link in the earlier one does not work any more.", "success"
    )
    return redirect(_page_of(membership), 303)


@blueprint.get("/<string:membership_id>/cancel-invitation")
@requires(Action.CANCEL_INVITATION, url_loaders.membership)
def confirm_cancel_invitation(membership: Membership) -> ResponseReturnValue:
    """Ask whether to take the invitation back."""
    return _confirm(membership, "cancel_invitation")


@blueprint.post("/<string:membership_id>/cancel-invitation")
@requires(Action.CANCEL_INVITATION, url_loaders.membership)
def cancel_invitation(membership: Membership) -> ResponseReturnValue:
    """Take the invitation back."""
    return _do(membership, cancel, "The invitation for {name} has been cancelled.", to_list=True)


@blueprint.errorhandler(RefusedError)
def _refused_or_done(refusal: RefusedError) -> ResponseReturnValue:
    """Say that it is done where it cannot be done again: of a double click, browsers show the second answer only."""
    state, sentence = _DONE.get(refusal.action, (None, ""))
    address = request.view_args or {}
    organisation = url_loaders.organisation(address["organisation_id"]) if state and request.method == "POST" else None
    if organisation is None or not can(Action.LIST_PEOPLE, organisation):
        return refused(refusal)
    membership = membership_ever_with_id(organisation, address["membership_id"])
    if membership is None or membership.state != state or membership.person == signed_in_person():
        return refused(refusal)
    flash(sentence.format(name=membership.shown_name), "info")
    membership.organisation = organisation
    has_ended = state == MembershipState.ENDED
    return redirect(_list_of(organisation) if has_ended else _page_of(membership), 303)


def _confirm(membership: Membership, what: str) -> str:
    return render_template(
        f"manage/confirm_{what}.html",
        membership=membership,
        name=membership.shown_name,
        organisation=membership.organisation,
        address=primary_address(membership.person),
        back=_page_of(membership),
    )


def _do(
    membership: Membership, operation: Callable[..., None], sentence: str, *, to_list: bool = False
) -> ResponseReturnValue:
    by: Person | None = signed_in_person()
    people = _list_of(membership.organisation)
    try:
        operation(membership, by=by)
    except ProblemError as problem:
        flash(problem.sentence, "warning")
        return redirect(people, 303)
    flash(sentence.format(name=membership.shown_name), "success")
    return redirect(people if to_list else _page_of(membership), 303)


def _list_of(organisation: Organisation) -> str:
    return url_for("manage.users", organisation_id=organisation.public_id)


def _page_of(membership: Membership) -> str:
    return url_for("manage.user", organisation_id=membership.organisation.public_id, membership_id=membership.public_id)
