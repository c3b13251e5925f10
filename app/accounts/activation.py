"""How an account comes to be: created or invited, and activated from a mailed link."""

from datetime import timedelta

from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import hash_password
from app.accounts.queries import invitation_with, is_open, person_with_address, primary_address, reference_of
from app.audit.operations import GUEST, record
from app.config import settings
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.kernel.tokens import hash_token, new_token
from app.mail import letters
from app.mail.operations import queue
from app.organisations.models import Organisation
from app.vocabulary import EventName, PersonState

INVITATION_LASTS = timedelta(days=14)


@change
def new_person(name: str, address: str, *, state: PersonState = PersonState.INVITED) -> Person:
    """Write down a person with their first address. Part of the operations that add people; records no event."""
    person = Person.create(public_id=new_public_id(), name=name, state=state, created_at=clock.now())
    EmailAddress.create(person=person, address=address, primary=True)
    return person


@change
def create_account(name: str, address: str) -> None:
    """Let somebody create an account themselves: mail them a link, or say that they have an account.

    Both end the same way on the page, so that nobody learns whose address is known.
    """
    person = person_with_address(address)
    if person is not None and person.state == PersonState.INVITED:
        # Whoever lost their invitation, or let it run out, helps themselves: a first exams officer has nobody to ask.
        queue(address, *letters.account_created(person.name, new_invitation(person, None, None)))
        record(EventName.INVITATION_SENT, by=GUEST, subject=person.reference)
        return
    if person is not None:
        queue(address, *letters.account_exists(person.name, is_open=person.state == PersonState.ACTIVE))
        return
    person = new_person(name, address)
    queue(address, *letters.account_created(name, new_invitation(person, None, None)))
    record(EventName.ACCOUNT_CREATED, by=GUEST, subject=person.reference)


@change
def invite(person: Person, organisation: Organisation, *, by: Person | None) -> None:
    """Mail `person` a link to activate their account, in place of any earlier link from `organisation`."""
    cancel_invitations(person, organisation)
    token = new_invitation(person, organisation, by)
    inviter = settings().portal_name if by is None else by.name
    queue(primary_address(person), *letters.invitation(person.name, organisation.name, inviter, token))
    record(
        EventName.INVITATION_SENT,
        by=reference_of(by),
        subject=person.reference,
        organisation=organisation.public_id,
    )


def activate(token: str, password: str) -> Person:
    """Use the invitation with `token` up: the person becomes active, with `password`.

    Raises `ProblemError` when the link is no longer good.
    """
    return _activate(token, hash_password(password))


@change
def _activate(token: str, password_hash: str) -> Person:
    invitation = invitation_with(token)
    if invitation is None or not is_open(invitation) or invitation.person.state != PersonState.INVITED:
        raise ProblemError("This link does not work any more.")
    person = invitation.person
    person.state = PersonState.ACTIVE
    person.password_hash = password_hash
    person.activated_at = clock.now()
    person.save(only=[Person.state, Person.password_hash, Person.activated_at])
    # Every other link to the same account has done its work with this one.
    Invitation.update(used_at=clock.now()).where(Invitation.person == person, Invitation.used_at.is_null()).execute()
    record(
        EventName.PERSON_ACTIVATED,
        by=person.reference,
        subject=person.reference,
        organisation=invitation.organisation.public_id if invitation.organisation else "",
    )
    return person


def new_invitation(person: Person, organisation: Organisation | None, by: Person | None) -> str:
    """Store an invitation and return its token, to be mailed. Part of the operations that mail it."""
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


def cancel_invitations(person: Person, organisation: Organisation) -> None:
    """Cancel the links that `organisation` sent to `person` and that still wait. Part of the operations that say so."""
    Invitation.update(cancelled_at=clock.now()).where(
        Invitation.person == person,
        Invitation.organisation == organisation,
        Invitation.used_at.is_null(),
        Invitation.cancelled_at.is_null(),
    ).execute()
