"""How accounts are suspended, closed and brought back, and people signed out."""

from collections.abc import Collection

from app.accounts.models import Invitation, PasswordReset, Person, Session
from app.accounts.queries import reference_of
from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.vocabulary import EventName, PersonState


@change
def suspend_person(person: Person, *, reason: str = "", by: Person | None) -> None:
    """Shut an active account for now: its holder is signed out everywhere, and their roles are kept.

    Raises `ProblemError` when the account is not active.
    """
    _set_state(person, {PersonState.ACTIVE}, PersonState.SUSPENDED)
    _end_access(person)
    _record(person, EventName.PERSON_SUSPENDED, by, reason)


@change
def close_person(person: Person, *, reason: str = "", by: Person | None) -> None:
    """Close an account, also one that was never activated. Its holder is signed out, and their links stop working.

    Raises `ProblemError` when the account is closed already.
    """
    _set_state(person, set(PersonState) - {PersonState.CLOSED}, PersonState.CLOSED)
    _end_access(person)
    Invitation.update(cancelled_at=clock.now()).where(
        Invitation.person == person, Invitation.used_at.is_null(), Invitation.cancelled_at.is_null()
    ).execute()
    _record(person, EventName.PERSON_CLOSED, by, reason)


@change
def reactivate_person(person: Person, *, reason: str = "", by: Person | None) -> None:
    """Bring a suspended or closed account back, with its password and roles; the holder signs in anew.

    An account that was closed before it was activated waits for its activation again.

    Raises `ProblemError` when the account is neither suspended nor closed.
    """
    state = PersonState.INVITED if person.activated_at is None else PersonState.ACTIVE
    _set_state(person, {PersonState.SUSPENDED, PersonState.CLOSED}, state)
    _record(person, EventName.PERSON_REACTIVATED, by, reason)


@change
def sign_out(person: Person, *, by: Person | None) -> int:
    """End every session of `person`, and the links for a new password. Returns how many sessions there were."""
    ended = _end_access(person)
    record(EventName.SESSIONS_ENDED, by=reference_of(by), subject=person.reference, sessions=ended)
    return ended


def _set_state(person: Person, old: Collection[PersonState], new: PersonState) -> None:
    # The row was read before the write lock was taken, so the state is looked at again.
    changed = Person.update(state=new).where(Person.id == person.id, Person.state.in_(list(old))).execute()
    if not changed:
        state = Person.get_by_id(person.id).state
        raise ProblemError(f"The account of {person.name} is {state}, so nothing was done.")
    person.state = new


def _end_access(person: Person) -> int:
    ended: int = (
        Session.update(ended_at=clock.now()).where(Session.person == person, Session.ended_at.is_null()).execute()
    )
    PasswordReset.update(used_at=clock.now()).where(
        PasswordReset.person == person, PasswordReset.used_at.is_null()
    ).execute()
    return ended


def _record(person: Person, event: EventName, by: Person | None, reason: str) -> None:
    record(event, by=reference_of(by), subject=person.reference, reason=reason)
