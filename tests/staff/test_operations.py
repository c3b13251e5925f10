"""Changes to who works for the operator."""

import pytest

from app.accounts.activation import activate, new_person
from app.accounts.models import Person
from app.audit.models import Event
from app.kernel.errors import ProblemError
from app.mail.models import Mail
from app.staff.models import StaffGrant
from app.staff.operations import add_staff, invite_staff
from app.vocabulary import EventName, StaffRole
from tests.browsing import mails_to
from tests.directory import olivia
from tests.events import newest_event
from tests.invited import ADDRESS, PASSWORD, token

pytestmark = pytest.mark.usefixtures("cast")


@pytest.fixture
def nora(cast: None) -> Person:
    """Somebody new."""
    return new_person("Nora Field", ADDRESS)


def counts() -> list[int]:
    """Return how much of everything is stored."""
    return [model.select().count() for model in (Person, StaffGrant, Event, Mail)]


class TestStaff:
    def test_somebody_new_is_added_and_mailed(self) -> None:
        person = add_staff("Nora Field", "nora.field@example.org", StaffRole.SUPPORT, by=None)
        assert [grant.role for grant in StaffGrant.select().where(StaffGrant.person == person)] == [StaffRole.SUPPORT]
        assert mails_to("nora.field@example.org") == ["Activate your Tessera account"]

    def test_somebody_known_gets_one_more_role_and_no_mail(self) -> None:
        for _ in range(2):
            add_staff("", "sam.porter@example.org", StaffRole.AUDITOR, by=None)
        sam = Person.get(Person.public_id == "sam-porter")
        roles = {grant.role for grant in StaffGrant.select().where(StaffGrant.person == sam)}
        assert roles == {StaffRole.SUPPORT, StaffRole.AUDITOR}
        assert Mail.select().count() == 0

    def test_somebody_new_without_a_name_is_refused(self) -> None:
        before = counts()
        with pytest.raises(ProblemError) as caught:
            add_staff("", "nora.field@example.org", StaffRole.SUPPORT, by=None)
        assert caught.value.field == "name"
        assert counts() == before


def test_staff_are_invited_to_no_organisation(nora: Person) -> None:
    invite_staff(nora, by=olivia())
    assert newest_event() == (EventName.INVITATION_SENT, "person:olivia-marsh", nora.reference, "")
    assert activate(token(), PASSWORD) == nora
    assert newest_event() == (EventName.PERSON_ACTIVATED, nora.reference, nora.reference, "")
