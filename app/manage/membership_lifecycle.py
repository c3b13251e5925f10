"""Suspending, reactivating and removing people, and their invitations."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import activation
from app.accounts.queries import primary_address
from app.accounts.throttling import TooManyAttemptsError, count_mail
from app.kernel.errors import ProblemError
from app.manage import blueprint, url_loaders
from app.memberships import operations as memberships
from app.memberships.models import Membership
from app.memberships.queries import membership_ever_with_id
from app.organisations.models import Organisation
from app.ui.authentication import signed_in_person
from app.ui.authorization import RefusedError, can, requires
from app.ui.error_pages import refused
from app.vocabulary import Action, MembershipState


@dataclass(frozen=True)
class LifecycleChange:
    """A change of the state of a membership, made with one button."""

    action: Action
    operation: Callable[..., None]
    state: MembershipState
    """The state that it leads to."""
    done: str
    """What the page says afterwards."""
    done_before: str
    """What the page says when the membership is in that state already."""
    is_confirmed: bool = True
    """Whether a page asks for confirmation first."""


_NOT_LISTED = "This person is not on your list of users any more."
"""Without a name: the person may have changed it since, and the organisation may not see it any more."""

_CHANGES = (
    LifecycleChange(
        Action.SUSPEND,
        memberships.suspend,
        MembershipState.SUSPENDED,
        "{name} has been suspended. They can open nothing here until you reactivate them.",
        "{name} is suspended now.",
    ),
    LifecycleChange(
        Action.REACTIVATE,
        memberships.reactivate,
        MembershipState.ACTIVE,
        "{name} has been reactivated, with the roles they had.",
        "{name} is not suspended any more.",
        is_confirmed=False,
    ),
    LifecycleChange(
        Action.REMOVE,
        memberships.remove_person,
        MembershipState.ENDED,
        "{name} has been removed from your organisation.",
        _NOT_LISTED,
    ),
    LifecycleChange(
        Action.CANCEL_INVITATION,
        memberships.cancel_invitation,
        MembershipState.ENDED,
        "The invitation for {name} has been cancelled.",
        _NOT_LISTED,
    ),
)


def _add_views(change: LifecycleChange) -> None:
    """Register the view that makes `change`, named after its action, and the one that asks for confirmation."""

    @requires(change.action, url_loaders.membership)
    def confirm(membership: Membership) -> ResponseReturnValue:
        """Ask for confirmation."""
        return render_template(
            f"manage/confirm_{change.action}.html",
            membership=membership,
            name=membership.shown_name,
            organisation=membership.organisation,
            address=primary_address(membership.person),
            back=url_loaders.page_of_user(membership),
        )

    @requires(change.action, url_loaders.membership)
    def make(membership: Membership) -> ResponseReturnValue:
        """Make the change."""
        try:
            change.operation(membership, by=signed_in_person())
        except ProblemError as problem:
            flash(problem.sentence, "warning")
            return redirect(_list_of(membership.organisation), 303)
        flash(change.done.format(name=membership.shown_name), "success")
        return redirect(_page_after(change, membership), 303)

    confirm.__name__, make.__name__ = f"confirm_{change.action}", str(change.action)
    address = f"/<string:membership_id>/{change.action.replace('_', '-')}"
    blueprint.add_url_rule(address, view_func=make, methods=["POST"])
    if change.is_confirmed:
        blueprint.add_url_rule(address, view_func=confirm, methods=["GET"])


for _change in _CHANGES:
    _add_views(_change)


@blueprint.post("/<string:membership_id>/resend-invitation")
@requires(Action.RESEND_INVITATION, url_loaders.membership)
def resend_invitation(membership: Membership) -> ResponseReturnValue:
    """Send the invitation again, with a new link."""
    address = primary_address(membership.person)
    try:
        count_mail(address, membership.organisation.public_id)
    except TooManyAttemptsError:
        flash("This person has been sent several e-mails just now. Wait 15 minutes, then try again.", "warning")
        return redirect(url_loaders.page_of_user(membership), 303)
    activation.invite(membership.person, membership.organisation, by=signed_in_person())
    flash(
        f"A new invitation has been sent to {address}. The link in the earlier one does not work any more.", "success"
    )
    return redirect(url_loaders.page_of_user(membership), 303)


@blueprint.errorhandler(RefusedError)
def _refused_or_done(refusal: RefusedError) -> ResponseReturnValue:
    """Say that a change is made when it cannot be made again: after a double click, browsers show the second answer."""
    change = next((one for one in _CHANGES if one.action == refusal.action), None)
    address = request.view_args or {}
    organisation = url_loaders.organisation(address["organisation_id"]) if change and request.method == "POST" else None
    if change is None or organisation is None or not can(Action.LIST_PEOPLE, organisation):
        return refused(refusal)
    membership = membership_ever_with_id(organisation, address["membership_id"])
    if membership is None or membership.state != change.state or membership.person == signed_in_person():
        return refused(refusal)
    flash(change.done_before.format(name=membership.shown_name), "info")
    membership.organisation = organisation
    return redirect(_page_after(change, membership), 303)


def _page_after(change: LifecycleChange, membership: Membership) -> str:
    has_ended = change.state == MembershipState.ENDED
    return _list_of(membership.organisation) if has_ended else url_loaders.page_of_user(membership)


def _list_of(organisation: Organisation) -> str:
    return url_for("manage.users", organisation_id=organisation.public_id)
