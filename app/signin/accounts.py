"""Creating an account, and activating one with the mailed link."""

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
    """A new password, typed once, because browsers can show it."""

    password = PasswordField(
        "Password",
        description="At least 12 characters. Three words that do not belong together work well.",
        validators=[InputRequired("Choose a password.")],
        render_kw={"autocomplete": "new-password"},
    )


class CreateAccountForm(FlaskForm):
    """The name and address of a new account."""

    name = name_field("Your name", "Enter your name.")
    address = address_field("Your work e-mail address")


def mailed(form: FlaskForm, send: Callable[[str], object]) -> bool:
    """Return whether `form` was submitted and `send` called with its address; otherwise the form holds the errors."""
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
@public("the token in the link authenticates; a GET changes nothing")
def activate(token: str) -> ResponseReturnValue:
    """Let an invited person choose a password, and sign them in."""
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
            # A colleague may be signed in to the browser in which the link is opened.
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
@public("people without an account cannot sign in")
def create_account() -> ResponseReturnValue:
    """Let anybody create an account. Their school decides what it opens."""
    if not can(Action.CREATE_ACCOUNT, directory.PORTAL):
        return redirect(url_for("portal.home"))
    form = CreateAccountForm()
    if mailed(form, lambda address: activation.create_account(form.name.data or "", address)):
        return render_template("signin/check_your_mail.html", address=form.address.data, back="signin.create_account")
    return render_template("signin/create_account.html", form=form), 422 if form.errors else 200


def _closed_link(invitation: Invitation | None, form: ChoosePasswordForm) -> ResponseReturnValue:
    """Redirect a person who pressed the button twice to sign in; to everybody else, say why the link is closed.

    The password proves that it is the same person. Each attempt counts, and takes as long, as one to sign in.
    """
    if invitation is not None and invitation.used_at is not None and form.validate_on_submit():
        with suppress(ProblemError):
            proven_person(primary_address(invitation.person), form.password.data or "")
            authentication.sign_out()
            flash("Your account is active. Sign in with the password that you have chosen.", "success")
            return redirect(url_for("signin.sign_in"), 303)
    return _dead_link(invitation)


def _dead_link(invitation: Invitation | None) -> ResponseReturnValue:
    """Say why the link does not work. Its holder received the mail, so this reveals nothing."""
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
