"""Queries about people and their accounts."""

from collections.abc import Iterable
from datetime import timedelta

from peewee import JOIN, fn

from app.accounts.models import EmailAddress, Invitation, PasswordReset, Person, Session
from app.audit.operations import OPERATOR
from app.kernel import clock
from app.kernel.tokens import hash_token
from app.organisations.models import Organisation
from app.vocabulary import PersonState

SESSION_IDLE = timedelta(hours=1)
"""How long a browser may be idle before it is signed out."""
SESSION_LONGEST = timedelta(hours=12)
"""How long a session lasts at most: a working day."""


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
    """Return the session with `token`, with its person, or None.

    None when the session was ended or has expired, or when the account is not active.
    """
    session: Session | None = (
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
    """Return the person of the session with `token`, expired or not, or None. For authentication use `session_of`."""
    session = Session.select(Session, Person).join(Person).where(Session.token_hash == hash_token(token)).first()
    return None if session is None else session.person


def open_reset(token: str) -> PasswordReset | None:
    """Return the password reset with `token`, with its person, or None.

    None when it was used or has expired, or when the account is not active.
    """
    moment = clock.now()
    reset: PasswordReset | None = (
        PasswordReset.select(PasswordReset, Person)
        .join(Person)
        .where(
            PasswordReset.token_hash == hash_token(token),
            PasswordReset.used_at.is_null(),
            PasswordReset.ends_at > moment,
            # A link from a clock that was wrong would work for much longer.
            PasswordReset.created_at < moment + clock.CLOCKS_DIFFER,
            Person.state == PersonState.ACTIVE,
        )
        .first()
    )
    return reset


def invitation_with(token: str) -> Invitation | None:
    """Return the invitation with `token`, open or not, with person and organisation, or None."""
    invitation: Invitation | None = (
        Invitation.select(Invitation, Person, Organisation)
        .join(Person, on=(Invitation.person == Person.id))
        .switch(Invitation)
        .join(Organisation, JOIN.LEFT_OUTER)
        .where(Invitation.token_hash == hash_token(token))
        .first()
    )
    return invitation


def waiting_invitations(organisation: Organisation, people: Iterable[Person]) -> dict[int, Invitation]:
    """Return the newest invitations from `organisation` that were neither used nor cancelled, by person row id.

    Takes at most one query.
    """
    invited = [person for person in people if person.state == PersonState.INVITED]
    if not invited:
        return {}
    query = Invitation.select().where(
        Invitation.organisation == organisation,
        Invitation.person.in_(invited),
        Invitation.used_at.is_null(),
        Invitation.cancelled_at.is_null(),
    )
    return {row.person_id: row for row in query.order_by(Invitation.id)}


def reference_of(actor: Person | None) -> str:
    """Return how events name the actor; None stands for the operator at the command line."""
    return OPERATOR if actor is None else actor.reference


def person_named(name: str) -> Person | None:
    """Return the person with this public id or e-mail address, or None."""
    if "@" in name:
        return person_with_address(name.strip().lower())
    return Person.get_or_none(Person.public_id == name)


def people_matching(search: str, limit: int) -> list[Person]:
    """Return up to `limit` people by name, whose name, id or an address contains each word of `search`."""
    query = Person.select().order_by(fn.LOWER(Person.name), Person.id).limit(limit)
    for word in search.lower().split():
        with_address = EmailAddress.select(EmailAddress.person).where(EmailAddress.address.contains(word))
        query = query.where(
            fn.LOWER(Person.name).contains(word) | (Person.public_id == word) | Person.id.in_(with_address)
        )
    return list(query)
