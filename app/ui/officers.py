"""The exams officers who can help: those whom the policy lets manage the people of an organisation."""

from dataclasses import dataclass

from app.authz import facts
from app.authz.decision_point import decide
from app.authz.information import directory
from app.memberships.queries import user_managers
from app.organisations.models import Organisation
from app.vocabulary import Action


@dataclass(frozen=True)
class Officer:
    """An exams officer to write to."""

    name: str
    address: str


def officers_of(organisation: Organisation | None, *, besides: facts.Fact | None = None) -> list[Officer]:
    """Return the exams officers of `organisation` who may manage its people today, by name, without `besides`."""
    if organisation is None:
        return []
    rows = user_managers(organisation)
    people = directory.people(row.person_id for row in rows)
    here = directory.organisation(organisation)
    return [
        Officer(row.shown_name, row.person.mail.address)
        for row in rows
        if people[row.person_id] != besides and decide(people[row.person_id], Action.ADD_PERSON, here).allowed
    ]
