"""Queries about people and their accounts."""

from collections.abc import Iterable
from datetime import timedelta

from peewee import JOIN

from app.accounts.models import EmailAddress, Invitation, PasswordReset, Person, Session
from app.audit.operations import OPERATOR
from app.kernel import clock
from app.kernel.tokens import hash_token
from app.organisations.models import Organisation
from app.vocabulary import PersonState

SESSION_IDLE = timedelta(hours=1)
"""A browser left alone this long is signed out."""
SESSION_LONGEST = timedelta(hours=12)
"""Nobody stays signed in longer than a working day."""


def person_with_address(address: str) -> Person | None:
    """Return the person with this address (in normal form), or None."""
    row = EmailAddress.select(EmailAddress, Person).join(Person).where(EmailAddress.address == address).first()
    return None if row is None else row.person


def primary_address(person: Person) -> str:
    """Return the address that mail for `person` goes to."""
    row = (
        EmailAddress.select(EmailAddress.address)
        .where(EmailAddress.person == person)
        .order_by(EmailAddress.primary.desc(), EmailAddress.id)
        .first()
    )
    return "" if row is None else str(row.address)


def addresses_of(person: Person) -> list[EmailAddress]:
    """Return the addresses of `person`, the primary one first."""
    return list(
        EmailAddress.select()
        .where(EmailAddress.person == person)
        .order_by(EmailAddress.primary.desc(), EmailAddress.address)
    )


def session_of(token: str) -> Session | None:
    """Return the session that `token` opens, with its person.

    None when it has ended in any way, or when the account of its person is not active.
    """
    session = (
        Session.select(Session, Person)
        .join(Person)
        .where(
            Session.token_hash == hash_token(token),
            Session.ended_at.is_null(),
            Person.state == PersonState.ACTIVE,
        )
        .first()
    )
    moment = clock.now()
    if session is None or moment - session.seen_at > SESSION_IDLE or moment - session.started_at > SESSION_LONGEST:
        return None
    return session


def session_holder(token: str) -> Person | None:
    """Return whose session `token` opens or did open, or None. Proves nothing: that is what `session_of` is for."""
    session = Session.select(Session, Person).join(Person).where(Session.token_hash == hash_token(token)).first()
    return None if session is None else session.person


def open_reset(token: str) -> PasswordReset | None:
    """Return the password reset that `token` opens, or None.

    It has to be known, unused, in time, and of a person whose account is active.
    """
    return (
        PasswordReset.select(PasswordReset, Person)
        .join(Person)
        .where(
            PasswordReset.token_hash == hash_token(token),
            PasswordReset.used_at.is_null(),
            PasswordReset.ends_at > clock.now(),
            Person.state == PersonState.ACTIVE,
        )
        .first()
    )


def invitation_with(token: str) -> Invitation | None:
    """Return the invitation that `token` belongs to, good or not, with person and organisation, or None."""
    return (
        Invitation.select(Invitation, Person, Organisation)
        .join(Person, on=(Invitation.person == Person.id))
        .switch(Invitation)
        .join(Organisation, JOIN.LEFT_OUTER)
        .where(Invitation.token_hash == hash_token(token))
        .first()
    )


def waiting_invitations(organisation: Organisation, people: Iterable[Person]) -> dict[int, Invitation]:
    """Return the newest invitation from `organisation` that was not used or cancelled, by the row id of its person.

    Takes one query, however many people there are.
    """
    query = Invitation.select().where(
        Invitation.organisation == organisation,
        Invitation.person.in_([person for person in people if person.state == PersonState.INVITED]),
        Invitation.used_at.is_null(),
        Invitation.cancelled_at.is_null(),
    )
    return {row.person_id: row for row in query.order_by(Invitation.id)}


def is_open(invitation: Invitation) -> bool:
    """Return whether the link of `invitation` still works."""
    return invitation.used_at is None and invitation.cancelled_at is None and clock.now() < invitation.ends_at


def reference_of(by: Person | None) -> str:
    """Return how events name whoever does something; None is the operator at the command line."""
    return OPERATOR if by is None else by.reference
