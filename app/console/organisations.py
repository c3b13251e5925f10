"""The list of organisations, and setting one up."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from app.accounts.queries import person_with_address
from app.authz.information import directory
from app.console import blueprint
from app.kernel.errors import ProblemError
from app.kernel.paging import page_of
from app.memberships.operations import set_up_organisation
from app.organisations.queries import organisations_list
from app.ui.authentication import signed_in_person
from app.ui.authorization import requires
from app.ui.forms import address_field, name_field, show_problem
from app.vocabulary import Action, PersonState


class OrganisationForm(FlaskForm):
    """An organisation and its first exams officer."""

    name = name_field(
        "Name of the school or college",
        "Enter the name of the school or college.",
        longest=200,
        autocomplete="off",
    )
    centre_number = StringField(
        "Centre number",
        description="Five digits.",
        filters=[lambda text: (text or "").strip()],
        validators=[
            InputRequired("Enter the centre number."),
            Regexp(r"^[0-9]{5}\Z", message="A centre number has five digits, such as 68199."),
        ],
        render_kw={"inputmode": "numeric"},
    )
    officer_name = name_field("Name of the exams officer", "Enter the name of the exams officer.", autocomplete="off")
    officer_address = address_field("E-mail address of the exams officer", autocomplete="on")


@blueprint.get("/organisations")
@requires(Action.LIST_ORGANISATIONS, directory.PLATFORM)
def organisations() -> ResponseReturnValue:
    """List the organisations, all or those who match a search."""
    search = " ".join(request.args.get("search", "").split())[:100]
    page = page_of(organisations_list(search), request.args.get("page", 1, type=int))
    return render_template("console/organisations.html", page=page, search=search, platform=directory.PLATFORM)


@blueprint.route("/organisations/add", methods=["GET", "POST"])
@requires(Action.ADD_ORGANISATION, directory.PLATFORM)
def add_organisation() -> ResponseReturnValue:
    """Set up an organisation with its first exams officer, who is mailed."""
    form = OrganisationForm()
    if form.validate_on_submit():
        try:
            organisation = set_up_organisation(
                form.name.data or "",
                form.centre_number.data or "",
                form.officer_name.data or "",
                form.officer_address.data or "",
                by=signed_in_person(),
            )
        except ProblemError as problem:
            show_problem(form, problem)
        else:
            flash(f"{organisation.name} has been set up. Its exams officer gets an e-mail.", "success")
            officer = person_with_address(form.officer_address.data or "")
            if officer and officer.state not in {PersonState.ACTIVE, PersonState.INVITED}:
                flash(
                    "The account of its exams officer is not open, so nobody can sign in for it yet.",
                    "warning",
                )
            return redirect(url_for("console.organisations"), 303)
    return render_template("console/add_organisation.html", form=form), 422 if form.errors else 200
