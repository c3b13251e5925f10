"""Adding users: several at once, checked on a page of their own before anything is saved.

The answers travel with the form, never in the session: a second tab cannot turn one person's form into another's.
"""

from dataclasses import dataclass, field

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts.addresses import normal_address
from app.accounts.names import normal_name
from app.kernel.errors import ProblemError
from app.manage import blueprint, url_loaders
from app.memberships.operations import AlreadyMemberError, NewPerson, add_people
from app.memberships.queries import addresses_at, roles_by_address
from app.organisations.models import Organisation
from app.services.models import Role
from app.ui.authentication import signed_in_person
from app.ui.authorization import requires
from app.vocabulary import Action

_MOST_AT_ONCE = 20


@dataclass
class Entry:
    """What was typed for one person, and what is wrong with it by field."""

    name: str = ""
    address: str = ""
    roles: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)


@blueprint.route("/add", methods=["GET", "POST"])
@requires(Action.ADD_PERSON, url_loaders.organisation)
def add(organisation: Organisation) -> ResponseReturnValue:
    """Fill in people, check, save. One address for the three steps; the button says which."""
    offered = url_loaders.roles_to_give(organisation)
    step = request.form.get("step", "")
    entries = _typed() if request.method == "POST" else [Entry()]
    if step == "more" and len(entries) < _MOST_AT_ONCE:
        # The page begins at its top again; whoever asked for one more goes on typing at the new one.
        return _form(organisation, offered, [*entries, Entry()], start_at=len(entries))
    if step.startswith("without-") and step.removeprefix("without-").isdigit():
        entries = [one for index, one in enumerate(entries) if index != int(step.removeprefix("without-"))]
    if step not in {"check", "save"}:
        return _form(organisation, offered, entries or [Entry()])
    if step == "save" and _stand_already(organisation, offered, entries):
        # The button was pressed twice: the browser shows the answer to the second press only.
        who = "This person is" if len(entries) == 1 else f"These {len(entries)} people are"
        flash(f"{who} on your list of users now, with the roles that you chose.", "success")
        return _to_list(organisation)
    people = _checked(organisation, offered, entries)
    if people is None:
        return _form(organisation, offered, entries), 422
    if step == "check":
        return render_template("manage/check.html", organisation=organisation, entries=entries, people=people)
    return _saved(organisation, offered, entries, people)


def _saved(
    organisation: Organisation, offered: list[Role], entries: list[Entry], people: list[NewPerson]
) -> ResponseReturnValue:
    try:
        added = add_people(organisation, people, by=signed_in_person())
    except AlreadyMemberError as problem:
        entries[problem.index].errors["address"] = problem.sentence
        return _form(organisation, offered, entries), 422
    told = "has been added and gets an e-mail" if len(added) == 1 else "have been added. Each gets an e-mail"
    names = " and ".join(held.shown_name for held in added) if len(added) < 3 else f"{len(added)} people"
    flash(f"{names} {told}.", "success")
    return _to_list(organisation)


def _stand_already(organisation: Organisation, offered: list[Role], entries: list[Entry]) -> bool:
    """Return whether saving `entries` would change nothing: each is a user already, with just the roles ticked."""
    chosen = {entry.address.lower(): entry.roles & {role.slug for role in offered} for entry in entries}
    return chosen == roles_by_address(organisation, list(chosen))


def _to_list(organisation: Organisation) -> ResponseReturnValue:
    return redirect(url_for("manage.users", organisation_id=organisation.public_id), 303)


def _form(organisation: Organisation, offered: list[Role], entries: list[Entry], *, start_at: int | None = None) -> str:
    return render_template(
        "manage/add.html",
        organisation=organisation,
        roles=offered,
        entries=entries,
        most=_MOST_AT_ONCE,
        start_at=start_at,
    )


def _typed() -> list[Entry]:
    """Return what the form holds, person by person."""
    rows = request.form.get("rows", "1")
    count = min(int(rows), _MOST_AT_ONCE) if rows.isascii() and rows.isdigit() else 1
    return [
        Entry(
            " ".join(request.form.get(f"name-{index}", "").split()),
            request.form.get(f"address-{index}", "").strip(),
            set(request.form.getlist(f"role-{index}")),
        )
        for index in range(max(count, 1))
    ]


def _checked(organisation: Organisation, offered: list[Role], entries: list[Entry]) -> list[NewPerson] | None:
    """Return the people to add, or None after noting on the entries what is wrong."""
    people: list[NewPerson] = []
    for entry in entries:
        address = _check_entry(entry, {person.address for person in people})
        # A role that was never offered is no typing mistake, so it gets no friendly sentence: it is left out.
        people.append(NewPerson(entry.name, address, [role for role in offered if role.slug in entry.roles]))
    known = addresses_at(organisation, [person.address for person in people])
    for entry, person in zip(entries, people, strict=True):
        if person.address in known:
            entry.errors["address"] = "Somebody with this e-mail address is on your list of users already."
    return None if any(entry.errors for entry in entries) else people


def _check_entry(entry: Entry, earlier: set[str]) -> str:
    try:
        normal_name(entry.name)
    except ProblemError as problem:
        entry.errors["name"] = problem.sentence
    try:
        address = normal_address(entry.address)
    except ProblemError as problem:
        entry.errors["address"] = problem.sentence
        return ""
    if address in earlier:
        entry.errors["address"] = "This e-mail address stands above already. Give each person their own."
    return address
