"""Changes to memberships and invitations: what each writes down, and for whom."""

import pytest

from app.accounts.models import Person
from app.accounts.passwords import matches
from app.audit.models import Event
from app.audit.operations import GUEST, OPERATOR
from app.kernel.errors import ProblemError
from app.mail.models import Mail
from app.memberships.operations import remove_person
from app.organisations.models import Invitation, Membership, Organisation
from app.organisations.operations import (
    INVITATION_LASTS,
    activate,
    cancel_invitation,
    create_account,
    invite,
    invite_staff,
    new_person,
    reactivate,
    suspend,
)
from app.organisations.queries import invitation_with, is_open
from app.vocabulary import EventName, MembershipState, PersonState
from tests.browsing import mailed_link, mails_to

pytestmark = pytest.mark.usefixtures("cast")

PASSWORD = "violet tractor harmonica"
ADDRESS = "nora.field@example.org"


@pytest.fixture
def nora(cast: None) -> Person:
    """Somebody new."""
    return new_person("Nora Field", ADDRESS)


def olivia() -> Person:
    return Person.get(Person.public_id == "olivia-marsh")


def organisation(public_id: str) -> Organisation:
    return Organisation.get(Organisation.public_id == public_id)


def token() -> str:
    """Return what the newest link in Nora's mail carries."""
    return mailed_link(ADDRESS).rpartition("/")[2]


def works(link: str) -> bool:
    invitation = invitation_with(link)
    return invitation is not None and is_open(invitation)


def newest_event() -> tuple[EventName, str, str, str]:
    event = Event.select().order_by(Event.revision.desc()).get()
    return event.name, event.by, event.subject, event.organisation


def newest_person() -> str:
    """Return whose facts are to be read anew after the newest event."""
    return str(Event.select().order_by(Event.revision.desc()).get().person)


def test_an_invitation_takes_the_place_of_the_earlier_one_from_the_same_organisation_only(nora: Person) -> None:
    links = []
    for name in ("northfield", "westbrook", "northfield"):
        invite(nora, organisation(name), by=olivia())
        links.append(token())
    assert [works(link) for link in links] == [False, True, True]
    assert newest_event() == (EventName.INVITATION_SENT, "person:olivia-marsh", nora.reference, "northfield")
    assert {invitation.invited_by for invitation in Invitation.select().where(Invitation.person == nora)} == {olivia()}


def test_an_invitation_says_who_invites_where_to_and_for_how_long(nora: Person) -> None:
    invite(nora, organisation("northfield"), by=olivia())
    letter = Mail.get(Mail.to_address == ADDRESS).body
    assert "Olivia Marsh has added you to Northfield Academy." in letter
    assert f"within {INVITATION_LASTS.days} days" in letter


def test_what_the_command_line_does_is_done_by_the_operator(nora: Person) -> None:
    invite(nora, organisation("northfield"), by=None)
    assert newest_event() == (EventName.INVITATION_SENT, OPERATOR, nora.reference, "northfield")
    assert "Tessera has added you to Northfield Academy." in Mail.get(Mail.to_address == ADDRESS).body


def test_staff_are_invited_to_no_organisation(nora: Person) -> None:
    invite_staff(nora, by=olivia())
    assert newest_event() == (EventName.INVITATION_SENT, "person:olivia-marsh", nora.reference, "")
    assert activate(token(), PASSWORD) == nora
    assert newest_event() == (EventName.PERSON_ACTIVATED, nora.reference, nora.reference, "")


def test_an_invitation_that_is_taken_back_ends_the_place_and_leaves_other_organisations_theirs(nora: Person) -> None:
    for name in ("northfield", "westbrook"):
        Membership.create(
            public_id=f"nora@{name}", person=nora, organisation=organisation(name), created_at=nora.created_at
        )
    invite(nora, organisation("westbrook"), by=None)
    theirs = token()
    invite(nora, organisation("northfield"), by=None)
    cancel_invitation(Membership.get(Membership.public_id == "nora@northfield"), by=olivia())
    assert (works(token()), works(theirs)) == (False, True)
    with pytest.raises(ProblemError, match="does not work any more"):
        activate(token(), PASSWORD)
    states = {row.public_id: row.state for row in Membership.select().where(Membership.person == nora)}
    assert states == {"nora@northfield": MembershipState.ENDED, "nora@westbrook": MembershipState.ACTIVE}
    assert newest_event() == (
        EventName.INVITATION_CANCELLED,
        "person:olivia-marsh",
        "membership:nora@northfield",
        "northfield",
    )
    assert newest_person() == nora.public_id


def test_activating_uses_up_every_link_to_the_account(nora: Person) -> None:
    links = []
    for name in ("northfield", "westbrook"):
        invite(nora, organisation(name), by=None)
        links.append(token())
    activate(links[0], PASSWORD)
    nora = Person.get_by_id(nora.id)
    assert nora.state == PersonState.ACTIVE
    assert nora.activated_at is not None
    assert matches(nora.password_hash, PASSWORD)
    assert newest_event() == (EventName.PERSON_ACTIVATED, nora.reference, nora.reference, "northfield")
    for link in links:
        assert not works(link)
        with pytest.raises(ProblemError, match="does not work any more"):
            activate(link, "another good long password")
    assert Person.get_by_id(nora.id).password_hash == nora.password_hash


def test_a_link_does_not_bring_a_suspended_account_back(nora: Person) -> None:
    invite(nora, organisation("northfield"), by=None)
    Person.update(state=PersonState.SUSPENDED).where(Person.id == nora.id).execute()
    with pytest.raises(ProblemError):
        activate(token(), PASSWORD)
    assert Person.get_by_id(nora.id).state == PersonState.SUSPENDED


def test_an_account_that_is_there_already_is_not_made_again() -> None:
    for _ in range(2):
        create_account("Nora Field", ADDRESS)
    # As long as it is not activated, a new link is what helps.
    assert mails_to(ADDRESS) == ["Activate your Tessera account"] * 2
    activate(token(), PASSWORD)
    create_account("Nora Field", ADDRESS)
    assert mails_to(ADDRESS)[2:] == ["You have a Tessera account already"]
    (nora,) = Person.select().where(Person.name == "Nora Field")
    (event,) = Event.select().where(Event.name == EventName.ACCOUNT_CREATED)
    assert (event.by, event.subject) == (GUEST, nora.reference)


def test_who_suspended_and_who_brought_back_is_written_down() -> None:
    thomas = Membership.get(Membership.public_id == "thomas-reed@northfield")
    for operation, name, state in (
        (suspend, EventName.MEMBER_SUSPENDED, MembershipState.SUSPENDED),
        (reactivate, EventName.MEMBER_REACTIVATED, MembershipState.ACTIVE),
    ):
        operation(thomas, by=olivia())
        assert newest_event() == (name, "person:olivia-marsh", thomas.reference, "northfield")
        assert newest_person() == "thomas-reed"
        assert Membership.get_by_id(thomas.id).state == state


def test_somebody_who_was_removed_meanwhile_is_not_brought_back() -> None:
    membership = Membership.get(Membership.person == olivia())
    suspend(membership, by=olivia())
    stale = Membership.get_by_id(membership.id)
    remove_person(membership, by=olivia())
    for operation in (reactivate, suspend):
        with pytest.raises(ProblemError, match="changed this meanwhile"):
            operation(stale, by=olivia())
    assert Membership.get_by_id(membership.id).state == MembershipState.ENDED


def test_who_is_reactivated_must_be_suspended() -> None:
    membership = Membership.get(Membership.person == olivia())
    with pytest.raises(ProblemError, match="changed this meanwhile"):
        reactivate(membership, by=olivia())
