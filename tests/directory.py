"""Rows of the cast."""

from app.accounts.models import Person
from app.organisations.models import Organisation


def olivia() -> Person:
    """Return an exams officer of Northfield."""
    return Person.get(Person.public_id == "olivia-marsh")


def organisation(public_id: str) -> Organisation:
    """Return the organisation with this public id."""
    return Organisation.get(Organisation.public_id == public_id)
