"""The organisation that the signed-in person acts in: chosen if they have several, and shown on every page."""

from flask import g, session

from app.memberships.queries import organisations_of
from app.organisations.models import Organisation
from app.staff.queries import is_staff
from app.ui.authentication import signed_in_person
from app.ui.authorization import can
from app.vocabulary import Action

_KEY = "organisation"


def open_organisations() -> list[Organisation]:
    """Return the organisations that the signed-in person may act in, by name, read once a request."""
    if "open_organisations" not in g:
        person = signed_in_person()
        g.open_organisations = [
            organisation
            for organisation in (organisations_of(person) if person else [])
            if can(Action.ACT_IN, organisation)
        ]
    return g.open_organisations


def acting_organisation() -> Organisation | None:
    """Return the organisation acted in, or None where there is none or it is yet to be chosen."""
    if "acting" not in g:
        choices = open_organisations()
        chosen = [one for one in choices if one.public_id == session.get(_KEY)]
        g.acting = chosen[0] if chosen else choices[0] if len(choices) == 1 else None
    return g.acting


def is_on_staff() -> bool:
    """Return whether the person works for the operator and can act in no organisation, so that a page can say so."""
    if "is_on_staff" not in g:
        person = signed_in_person()
        g.is_on_staff = person is not None and not open_organisations() and is_staff(person)
    return bool(g.is_on_staff)


def choose(organisation: Organisation) -> None:
    """Act in `organisation` from now on, in this browser."""
    session[_KEY] = organisation.public_id
    g.acting = organisation


def act_here(organisation: Organisation) -> None:
    """Act in `organisation` for this page, because its address names it."""
    g.acting = organisation
