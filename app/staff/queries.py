"""Queries about staff."""

from app.accounts.models import Person
from app.staff.models import StaffGrant


def is_staff(person: Person) -> bool:
    """Return whether `person` holds any staff role. The policy decides what it permits."""
    return StaffGrant.select().where(StaffGrant.person == person).exists()
