"""Signing in and out."""

from flask import flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField
from wtforms.validators import InputRequired

from app.accounts import throttling
from app.accounts.models import Person
from app.accounts.operations import note_failed_sign_in
from app.accounts.passwords import matches
from app.accounts.queries import person_with_address
from app.authz.decision_point import decide
from app.authz.information import directory
from app.kernel.errors import ProblemError
from app.signin import blueprint
from app.signin.form_recovery import keep, kept_for
from app.ui import authentication
from app.ui.authentication import previous_person, signed_in_person
from app.ui.authorization import SAFE_METHODS, public
from app.ui.forms import address_field, show_problem
from app.ui.headers import let_form_lead_to
from app.ui.navigation import destination, way_back
from app.vocabulary import Action

_WRONG = "This e-mail address and password do not belong together. Check both and try again."
_CLOSED = "Your account is not open at the moment. Telephone or write to the support desk; they can tell you why."


class SignInForm(FlaskForm):
    """E-mail address and password."""

    address = address_field(autocomplete="username")
    password = PasswordField(
        "Password",
        validators=[InputRequired("Enter your password.")],
        render_kw={"autocomplete": "current-password"},
    )
    kept = HiddenField()
    """A form that was submitted after the session had expired; see `form_recovery`."""


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public("people sign in here; the policy decides once the password was verified")
def sign_in() -> ResponseReturnValue:
    """Sign a person in and take them to where they were going."""
    if signed_in_person() is not None:
        return redirect(destination())
    form = SignInForm()
    if form.validate_on_submit():
        try:
            person = proven_person(form.address.data or "", form.password.data or "")
        except ProblemError as problem:
            show_problem(form, problem)
        else:
            authentication.sign_in(person)
            typed = kept_for(person, form.kept.data or "")
            return render_template("signin/carry_on.html", typed=typed) if typed else redirect(destination(), 303)
    let_form_lead_to(destination())
    return render_template("signin/sign_in.html", form=form, next=request.args.get("next")), 422 if form.errors else 200


@blueprint.post("/sign-out")
@public("everybody may sign out")
def sign_out() -> ResponseReturnValue:
    """End the session here and in the database."""
    authentication.sign_out()
    flash("You have signed out.", "success")
    return redirect(url_for("signin.sign_in"), 303)


@blueprint.record_once
def _on_registering(state: BlueprintSetupState) -> None:
    state.app.login_manager.unauthorized_handler(_ask_to_sign_in)  # type: ignore[attr-defined]  # flask-login sets it


def _ask_to_sign_in() -> ResponseReturnValue:
    """Answer a request that requires signing in. A form that was submitted is kept for afterwards."""
    back = way_back()
    if request.method in SAFE_METHODS:
        return redirect(url_for("signin.sign_in", next=back))
    person = previous_person()
    kept = keep(person, back) if person else ""
    if not kept:
        return redirect(url_for("signin.sign_in", next=back), 303)
    return render_template("signin/sign_in.html", form=SignInForm(formdata=None, kept=kept), next=back)


def proven_person(address: str, password: str) -> Person:
    """Return the person with this address and password.

    Counts as an attempt. Raises `ProblemError` for a wrong password and for an account that may not sign in.
    """
    source = request.remote_addr or ""
    throttling.count_sign_in(address, source)
    person = person_with_address(address)
    if not matches(person.password_hash if person else "", password) or person is None:
        note_failed_sign_in(person)
        raise ProblemError(_WRONG)
    facts = directory.person(person.id)
    # Only people who know the password learn that the account is not open.
    if facts is None or not decide(facts, Action.SIGN_IN, directory.PORTAL).allowed:
        note_failed_sign_in(person)
        raise ProblemError(_CLOSED)
    throttling.forget_sign_in(address, source)
    return person
