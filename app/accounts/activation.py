"""Creating accounts: by the person themselves or by invitation, and activation with a mailed link."""

from datetime import timedelta

from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import hash_password
from app.accounts.queries import invitation_with, person_with_address, primary_address, reference_of
from app.audit.operations import GUEST, record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.kernel.tokens import hash_token, new_token
from app.mail import letters
from app.mail.operations import queue
from app.organisations.models import Organisation
from app.runtime import settings
from app.vocabulary import EventName, PersonState

INVITATION_LASTS = timedelta(days=14)


@change
def create_account(name: str, address: str) -> None:
    """Mail a link to activate a new account to `address`, or say in the mail that there is an account already.

    The caller does not learn which of the two, so the page does not reveal whose address is known.
    """
    person = person_with_address(address)
    if person is not None and person.state == PersonState.INVITED:
        # Somebody who lost their invitation gets a new one: a first exams officer has nobody to ask.
        queue(address, *letters.account_created(person.name, new_invitation(person, None, by=None)), urgent=True)
        record(EventName.INVITATION_SENT, by=GUEST, subject=person.reference)
        return
    if person is not None:
        queue(address, *letters.account_exists(person.name, is_open=person.state == PersonState.ACTIVE), urgent=True)
        return
    person = new_person(name, address)
    queue(address, *letters.account_created(name, new_invitation(person, None, by=None)), urgent=True)
    record(EventName.ACCOUNT_CREATED, by=GUEST, subject=person.reference)


@change
def invite(person: Person, organisation: Organisation, *, by: Person | None) -> None:
    """Mail `person` a link to activate their account. It replaces earlier links from `organisation`."""
    cancel_invitations(person, organisation)
    token = new_invitation(person, organisation, by=by)
    inviter = settings().portal_name if by is None else by.name
    queue(primary_address(person), *letters.invitation(person.name, organisation.name, inviter, token))
    record(
        EventName.INVITATION_SENT,
        by=reference_of(by),
        subject=person.reference,
        organisation=organisation.public_id,
    )


def activate(token: str, password: str) -> Person:
    """Activate the account of the invitation with `token`, with `password`. The link cannot be used again.

    Raises `ProblemError` when the link does not work any more.
    """
    # Hashing is slow on purpose, so it happens before the write lock is taken.
    return _activate(token, hash_password(password))


@change
def _activate(token: str, password_hash: str) -> Person:
    invitation = invitation_with(token)
    if invitation is None or not invitation.is_open or invitation.person.state != PersonState.INVITED:
        raise ProblemError("This link does not work any more.")
    person = invitation.person
    person.state = PersonState.ACTIVE
    person.password_hash = password_hash
    person.activated_at = clock.now()
    person.save(only=[Person.state, Person.password_hash, Person.activated_at])
    # Every other link to this account is used up as well.
    Invitation.update(used_at=clock.now()).where(Invitation.person == person, Invitation.used_at.is_null()).execute()
    record(
        EventName.PERSON_ACTIVATED,
        by=person.reference,
        subject=person.reference,
        organisation=invitation.organisation.public_id if invitation.organisation else "",
    )
    return person


# Parts of the operations that add or invite people, here and in other rooms. They record no event of their own.


@change
def new_person(name: str, address: str) -> Person:
    """Store an invited person with their first address."""
    person = Person.create(public_id=new_public_id(), name=name, created_at=clock.now())
    EmailAddress.create(person=person, address=address, primary=True)
    return person


@change
def new_invitation(person: Person, organisation: Organisation | None, *, by: Person | None) -> str:
    """Store an invitation and return its token, for the link to mail."""
    token = new_token()
    Invitation.create(
        token_hash=hash_token(token),
        person=person,
        organisation=organisation,
        invited_by=by,
        created_at=clock.now(),
        ends_at=clock.now() + INVITATION_LASTS,
    )
    return token


@change
def cancel_invitations(person: Person, organisation: Organisation) -> None:
    """Cancel the links from `organisation` to `person` that were neither used nor cancelled before."""
    Invitation.update(cancelled_at=clock.now()).where(
        Invitation.person == person,
        Invitation.organisation == organisation,
        Invitation.used_at.is_null(),
        Invitation.cancelled_at.is_null(),
    ).execute()
