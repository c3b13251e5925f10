"""Questions about staff."""

from app.accounts.models import Person
from app.staff.models import StaffGrant


def is_staff(person: Person) -> bool:
    """Return whether `person` works for the operator, in whatever role. What that lets them do is for the policy."""
    return StaffGrant.select().where(StaffGrant.person == person).exists()
