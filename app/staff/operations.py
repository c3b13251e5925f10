"""Changes to staff."""

from app.accounts.activation import new_invitation, new_person
from app.accounts.models import Person
from app.accounts.queries import person_with_address, primary_address, reference_of
from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.mail import letters
from app.mail.operations import queue
from app.staff.models import StaffGrant
from app.vocabulary import EventName, PersonState, StaffRole


@change
def add_staff(name: str, address: str, role: StaffRole, *, by: Person | None) -> Person:
    """Give a staff role to the person with `address`. Somebody new is added as `name` and invited by mail.

    Raises `ProblemError` when somebody new has no name.
    """
    person = person_with_address(address)
    if person is None and not name:
        raise ProblemError("Nobody has this e-mail address yet, so give their name as well.", field="name")
    person = person or new_person(name, address)
    StaffGrant.get_or_create(person=person, role=role, defaults={"created_at": clock.now()})  # type: ignore[no-untyped-call]  # peewee has no types
    record(EventName.STAFF_ROLE_GIVEN, by=reference_of(by), subject=person.reference, role=str(role))
    if person.state == PersonState.INVITED:
        invite_staff(person, by=by)
    return person


@change
def remove_staff(person: Person, role: StaffRole, *, by: Person | None) -> None:
    """Take a staff role from `person`. Raises `ProblemError` when they do not hold it."""
    taken = StaffGrant.delete().where(StaffGrant.person == person, StaffGrant.role == role).execute()
    if not taken:
        raise ProblemError(f"{person.name} is not {role} staff.")
    record(EventName.STAFF_ROLE_TAKEN, by=reference_of(by), subject=person.reference, role=str(role))


@change
def invite_staff(person: Person, *, by: Person | None) -> None:
    """Mail a new member of staff a link to activate their account."""
    queue(primary_address(person), *letters.staff_invitation(person.name, new_invitation(person, None, by=by)))
    record(EventName.INVITATION_SENT, by=reference_of(by), subject=person.reference)
