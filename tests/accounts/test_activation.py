"""How accounts come to be: created, invited and activated, and what each writes down."""

import pytest

from app.accounts.activation import INVITATION_LASTS, activate, create_account, invite, new_person
from app.accounts.models import Invitation, Person
from app.accounts.passwords import matches
from app.audit.models import Event
from app.audit.operations import GUEST, OPERATOR
from app.kernel.errors import ProblemError
from app.mail.models import Mail
from app.vocabulary import EventName, PersonState
from tests.browsing import mails_to
from tests.directory import olivia, organisation
from tests.events import newest_event
from tests.invited import ADDRESS, PASSWORD, token, works

pytestmark = pytest.mark.usefixtures("cast")


@pytest.fixture
def nora(cast: None) -> Person:
    """Somebody new."""
    return new_person("Nora Field", ADDRESS)


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
