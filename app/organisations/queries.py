"""Questions about organisations, memberships and invitations."""

from collections.abc import Iterable

from peewee import JOIN, Case, ModelSelect, fn

from app.accounts.models import EmailAddress, Person
from app.kernel import clock
from app.kernel.tokens import hash_token
from app.organisations.models import Invitation, Membership, Organisation
from app.vocabulary import MembershipState, PersonState


def organisation_with_id(public_id: str) -> Organisation | None:
    """Return one organisation, or None."""
    return Organisation.get_or_none(Organisation.public_id == public_id)


def organisation_named(name: str) -> Organisation | None:
    """Return the organisation with this public id or centre number, or None."""
    return Organisation.get_or_none((Organisation.public_id == name) | (Organisation.centre_number == name))


def membership_with_id(organisation: Organisation, public_id: str) -> Membership | None:
    """Return a membership of `organisation` that has not ended, with its person, or None."""
    found = membership_ever_with_id(organisation, public_id)
    return None if found is None or found.state == MembershipState.ENDED else found


def membership_ever_with_id(organisation: Organisation, public_id: str) -> Membership | None:
    """Return a membership of `organisation`, ended or not, with its person, or None."""
    return (
        Membership.select(Membership, Person)
        .join(Person)
        .where(Membership.public_id == public_id, Membership.organisation == organisation)
        .first()
    )


def membership_of(person: Person, organisation: Organisation) -> Membership | None:
    """Return the membership of `person` at `organisation`, ended or not, or None."""
    return Membership.get_or_none(Membership.person == person, Membership.organisation == organisation)


def organisations_of(person: Person) -> list[Organisation]:
    """Return the organisations to which `person` belongs, in whatever state, by name."""
    return list(
        Organisation.select()
        .join(Membership)
        .where(Membership.person == person, Membership.state != MembershipState.ENDED)
        .order_by(fn.LOWER(Organisation.name))
    )


def memberships_of(person: Person) -> list[Membership]:
    """Return the memberships of `person` that have not ended, with their organisations, by name."""
    return list(
        Membership.select(Membership, Organisation)
        .join(Organisation)
        .where(Membership.person == person, Membership.state != MembershipState.ENDED)
        .order_by(fn.LOWER(Organisation.name))
    )


def memberships_at(organisation: Organisation, search: str = "") -> "ModelSelect[Membership]":
    """Return the memberships of `organisation` that have not ended, with person and primary address, by name.

    `search` keeps those of whom the name or the address contains each of its words.
    """
    # As `Membership.shown_name` has it: what may not be shown is not found either.
    is_known = (Membership.added_as == "") | (Person.last_sign_in_at >= Membership.created_at)
    shown_name = fn.LOWER(Case(None, [(is_known, Person.name)], Membership.added_as))
    query = (
        Membership.select(Membership, Person, EmailAddress)
        .join(Person)
        .join(EmailAddress, on=((EmailAddress.person == Person.id) & EmailAddress.primary), attr="mail")
        .where(Membership.organisation == organisation, Membership.state != MembershipState.ENDED)
        .order_by(shown_name, Membership.id)
    )
    for word in search.lower().split():
        query = query.where(shown_name.contains(word) | EmailAddress.address.contains(word))
    return query


def addresses_at(organisation: Organisation, addresses: list[str]) -> set[str]:
    """Return those of `addresses` that belong to people of `organisation`."""
    query = (
        EmailAddress.select(EmailAddress.address)
        .join(Person)
        .join(Membership)
        .where(
            EmailAddress.address.in_(addresses),
            Membership.organisation == organisation,
            Membership.state != MembershipState.ENDED,
        )
    )
    return {str(row.address) for row in query}


def organisations_list(search: str = "") -> "ModelSelect[Organisation]":
    """Return all organisations by name; `search` keeps those that match each of its words.

    The name contains a word, or the centre number begins with it.
    """
    name = fn.LOWER(Organisation.name)
    query = Organisation.select().order_by(name, Organisation.id)
    for word in search.lower().split():
        query = query.where(name.contains(word) | Organisation.centre_number.startswith(word))
    return query


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


def waiting_invitations(organisation: Organisation, memberships: Iterable[Membership]) -> dict[int, Invitation]:
    """Return the newest invitation from `organisation` that was not used or cancelled, by the row id of its person.

    Takes one query, however many memberships there are.
    """
    people = [row.person_id for row in memberships if row.person.state == PersonState.INVITED]
    query = Invitation.select().where(
        Invitation.organisation == organisation,
        Invitation.person.in_(people),
        Invitation.used_at.is_null(),
        Invitation.cancelled_at.is_null(),
    )
    return {row.person_id: row for row in query.order_by(Invitation.id)}


def is_open(invitation: Invitation) -> bool:
    """Return whether the link of `invitation` still works."""
    return invitation.used_at is None and invitation.cancelled_at is None and clock.now() < invitation.ends_at
