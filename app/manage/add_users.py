"""Adding users: several at once, checked on a page of their own before anything is saved.

What was typed travels with the form, not in the session, so that two tabs cannot mix up their people.
"""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.manage import blueprint, url_loaders
from app.manage.forms import AddUsersForm
from app.memberships import operations as memberships
from app.organisations.models import Organisation
from app.ui.authentication import signed_in_person
from app.ui.authorization import requires
from app.vocabulary import Action


@blueprint.route("/add", methods=["GET", "POST"])
@requires(Action.ADD_PERSON, url_loaders.organisation)
def add(organisation: Organisation) -> ResponseReturnValue:
    """Fill in people, check, save. The three steps share one address; the button says which one is next."""
    form = AddUsersForm(organisation, url_loaders.roles_to_give(organisation))
    match form.step.data:
        case "check" if form.validate():
            return render_template("manage/check.html", form=form, people=form.new_people(), organisation=organisation)
        case "save" if form.is_saved_already():
            # The button was pressed twice: the browser shows only the second answer.
            return _listed(organisation, _double_click_text(len(form.people)))
        case "save" if form.validate():
            return _saved(organisation, form)
        case "check" | "save":
            return _form_page(form), 422
        case "more":
            form.append_person()
    if form.leave_out.data is not None:
        form.remove_person(form.leave_out.data)
    return _form_page(form)


def _saved(organisation: Organisation, form: AddUsersForm) -> ResponseReturnValue:
    try:
        added = memberships.add_people(organisation, form.new_people(), by=signed_in_person())
    except memberships.AlreadyMemberError as problem:
        form.show_already_member(problem)
        return _form_page(form), 422
    names = " and ".join(one.shown_name for one in added) if len(added) < 3 else f"{len(added)} people"
    outcome = "has been added and gets an e-mail" if len(added) == 1 else "have been added. Each gets an e-mail"
    return _listed(organisation, f"{names} {outcome}.")


def _double_click_text(count: int) -> str:
    who = "This person is" if count == 1 else f"These {count} people are"
    return f"{who} on your list of users now, with the roles that you chose."


def _listed(organisation: Organisation, sentence: str) -> ResponseReturnValue:
    flash(sentence, "success")
    return redirect(url_for("manage.users", organisation_id=organisation.public_id), 303)


def _form_page(form: AddUsersForm) -> str:
    return render_template("manage/add.html", form=form, organisation=form.organisation)
