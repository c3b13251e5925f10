"""Activating an account from the mailed link, and creating one."""

from collections.abc import Callable
from contextlib import suppress

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.accounts import activation, throttling
from app.accounts.models import Invitation
from app.accounts.passwords import check_choice
from app.accounts.queries import invitation_with, primary_address
from app.authz.information import directory
from app.kernel.errors import ProblemError
from app.signin import blueprint
from app.signin.sessions import proven_person
from app.ui import authentication
from app.ui.authentication import signed_in_person
from app.ui.authorization import can, public
from app.ui.forms import address_field, name_field, show_problem
from app.ui.officers import officers_of
from app.vocabulary import Action


class ChoosePasswordForm(FlaskForm):
    """A new password. Asked once: people can look at it instead of typing it twice."""

    password = PasswordField(
        "Password",
        description="At least 12 characters. Three words that do not belong together work well.",
        validators=[InputRequired("Choose a password.")],
        render_kw={"autocomplete": "new-password"},
    )


class CreateAccountForm(FlaskForm):
    """Name and address."""

    name = name_field("Your name", "Enter your name.")
    address = address_field("Your work e-mail address")


def mailed(form: FlaskForm, send: Callable[[str], object]) -> bool:
    """Return whether `form` was sent and `send` has mailed the address in it; what was wrong stands in the form."""
    if not form.validate_on_submit():
        return False
    address = form.address.data or ""
    try:
        throttling.count_mail(address, request.remote_addr or "")
        send(address)
    except ProblemError as problem:
        show_problem(form, problem)
        return False
    return True


@blueprint.route("/activate/<string:token>", methods=["GET", "POST"])
@public("the link in the mail is the proof; opening it changes nothing, the button does")
def activate(token: str) -> ResponseReturnValue:
    """Let an invited person choose a password and come in."""
    form = ChoosePasswordForm()
    invitation = invitation_with(token)
    if invitation is None or not invitation.is_open:
        return _closed_link(invitation, form)
    person = invitation.person
    if form.validate_on_submit():
        try:
            check_choice(form.password.data or "", person.name, primary_address(person))
            person = activation.activate(token, form.password.data or "")
        except ProblemError as problem:
            invitation = invitation_with(token)
            if invitation is None or not invitation.is_open:
                return _closed_link(invitation, form)
            show_problem(form, problem)
        else:
            # The link may be opened in a browser where a colleague is signed in.
            authentication.sign_out()
            authentication.sign_in(person)
            flash("Your account is active. Welcome.", "success")
            return redirect(url_for("portal.home"), 303)
    page = render_template(
        "signin/activate.html",
        form=form,
        invitation=invitation,
        address=primary_address(person),
        somebody_else=signed_in_person(),
    )
    return page, 422 if form.errors else 200


@blueprint.route("/create-account", methods=["GET", "POST"])
@public("whoever creates an account is nobody yet")
def create_account() -> ResponseReturnValue:
    """Let anybody ask for an account. What they get with it, their school decides."""
    if not can(Action.CREATE_ACCOUNT, directory.PORTAL):
        return redirect(url_for("portal.home"))
    form = CreateAccountForm()
    if mailed(form, lambda address: activation.create_account(form.name.data or "", address)):
        return render_template("signin/check_your_mail.html", address=form.address.data, back="signin.create_account")
    return render_template("signin/create_account.html", form=form), 422 if form.errors else 200


def _closed_link(invitation: Invitation | None, form: ChoosePasswordForm) -> ResponseReturnValue:
    """Send whoever used this link a moment ago, and pressed the button twice, to sign in; say to others why it is dead.

    Their password proves it, as it does when they sign in: each try counts there, and takes as long.
    """
    if invitation is not None and invitation.used_at is not None and form.validate_on_submit():
        with suppress(ProblemError):
            proven_person(primary_address(invitation.person), form.password.data or "")
            authentication.sign_out()
            flash("Your account is active. Sign in with the password that you have chosen.", "success")
            return redirect(url_for("signin.sign_in"), 303)
    return _dead_link(invitation)


def _dead_link(invitation: Invitation | None) -> ResponseReturnValue:
    """Say why a link does not work, to whoever holds it: they had the mail."""
    if invitation is None:
        why = "unknown"
    elif invitation.used_at is not None:
        why = "used"
    elif invitation.cancelled_at is not None:
        why = "cancelled"
    else:
        why = "late"
    organisation = invitation.organisation if invitation else None
    page = render_template(
        "signin/dead_link.html", why=why, organisation=organisation, officers=officers_of(organisation)
    )
    return page, 410 if invitation else 404
