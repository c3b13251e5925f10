"""One's own account: details and password."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from app.accounts import operations as accounts
from app.accounts.models import Person
from app.accounts.passwords import check_choice, hash_password, matches
from app.accounts.queries import addresses_of, primary_address
from app.accounts.throttling import count_sign_in
from app.kernel.errors import ProblemError
from app.memberships.queries import grants_of, memberships_of
from app.portal import blueprint
from app.services.queries import services
from app.ui.authentication import signed_in_person
from app.ui.authorization import can, requires
from app.ui.forms import name_field, show_problem
from app.vocabulary import Action


class NameForm(FlaskForm):
    """A person's name."""

    name = name_field("Your name", "Enter your name.")


class ChangePasswordForm(FlaskForm):
    """A new password. The current one proves that the same person is still at the keyboard."""

    current_password = PasswordField(
        "Current password",
        validators=[InputRequired("Enter your current password.")],
        render_kw={"autocomplete": "current-password"},
    )
    password = PasswordField(
        "New password",
        description="At least 12 characters. Three words that do not belong together work well.",
        validators=[InputRequired("Choose a new password.")],
        render_kw={"autocomplete": "new-password"},
    )


@blueprint.get("/account")
@requires(Action.READ, signed_in_person)
def account(person: Person) -> ResponseReturnValue:
    """Show what the portal knows about the person."""
    memberships = memberships_of(person)
    return render_template(
        "portal/account.html",
        person=person,
        addresses=addresses_of(person),
        memberships=memberships,
        grants=grants_of(memberships),
        services=[service for service in services() if can(Action.READ, service)],
    )


@blueprint.route("/account/name", methods=["GET", "POST"])
@requires(Action.CHANGE_DETAILS, signed_in_person)
def name(person: Person) -> ResponseReturnValue:
    """Change one's own name."""
    form = NameForm(obj=person)
    if form.validate_on_submit():
        accounts.change_name(person, form.name.data or "", by=person)
        flash("Your name has been changed.", "success")
        return redirect(url_for("portal.account"), 303)
    return render_template("portal/name.html", form=form), 422 if form.errors else 200


@blueprint.route("/account/password", methods=["GET", "POST"])
@requires(Action.CHANGE_PASSWORD, signed_in_person)
def change_password(person: Person) -> ResponseReturnValue:
    """Change one's own password; every other browser is signed out."""
    form = ChangePasswordForm()
    if form.validate_on_submit():
        try:
            _check_current(person, form.current_password.data or "")
            check_choice(form.password.data or "", person.name, primary_address(person))
        except ProblemError as problem:
            show_problem(form, problem)
        else:
            accounts.change_password(
                person, hash_password(form.password.data or ""), keep=current_user.session, by=person.reference
            )
            flash("Your password has been changed. Other browsers have been signed out.", "success")
            return redirect(url_for("portal.account"), 303)
    return render_template("portal/change_password.html", form=form), 422 if form.errors else 200


def _check_current(person: Person, password: str) -> None:
    # A stranger at an unattended browser must not be able to guess the password.
    count_sign_in(f"change {person.public_id}", "")
    if not matches(person.password_hash, password):
        raise ProblemError("This is not your current password.", field="current_password")
