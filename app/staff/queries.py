"""Queries about staff."""

from peewee import fn

from app.accounts.models import Person
from app.staff.models import StaffGrant


def is_staff(person: Person) -> bool:
    """Return whether `person` holds any staff role. The policy decides what it permits."""
    return StaffGrant.select().where(StaffGrant.person == person).exists()


def staff_grants() -> list[StaffGrant]:
    """Return every staff role that somebody holds, with the person: by name."""
    return list(StaffGrant.select(StaffGrant, Person).join(Person).order_by(fn.LOWER(Person.name), StaffGrant.id))
