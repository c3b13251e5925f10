"""Resetting a forgotten password."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from app.accounts import operations as accounts
from app.accounts.passwords import check_choice
from app.accounts.queries import open_reset, primary_address
from app.kernel.errors import ProblemError
from app.signin import blueprint
from app.signin.accounts import ChoosePasswordForm, mailed
from app.ui.authorization import public
from app.ui.forms import address_field, show_problem


class ForgottenForm(FlaskForm):
    """The address to mail a reset link to."""

    address = address_field()


@blueprint.route("/forgotten-password", methods=["GET", "POST"])
@public("people who forgot their password cannot sign in")
def forgotten_password() -> ResponseReturnValue:
    """Mail a reset link. The page says the same for known and unknown addresses."""
    form = ForgottenForm()
    if mailed(form, accounts.ask_password_reset):
        return render_template(
            "signin/check_your_mail.html", address=form.address.data, back="signin.forgotten_password"
        )
    return render_template("signin/forgotten_password.html", form=form), 422 if form.errors else 200


@blueprint.route("/reset-password/<string:token>", methods=["GET", "POST"])
@public("the token in the link authenticates; a GET changes nothing")
def reset_password(token: str) -> ResponseReturnValue:
    """Let the holder of a reset link choose a new password, with which they then sign in."""
    waiting = open_reset(token)
    if waiting is None:
        return render_template("signin/dead_reset.html"), 410
    form = ChoosePasswordForm()
    if form.validate_on_submit():
        try:
            check_choice(form.password.data or "", waiting.person.name, primary_address(waiting.person))
            accounts.reset_password(token, form.password.data or "")
        except ProblemError as problem:
            show_problem(form, problem)
        else:
            flash("Your password has been changed. Sign in with the new one.", "success")
            return redirect(url_for("signin.sign_in"), 303)
    return render_template("signin/reset_password.html", form=form), 422 if form.errors else 200
