"""Changes to who holds what: all of a change with its event, or nothing."""

from datetime import date

import pytest
from peewee import IntegrityError

from app.accounts.models import Person
from app.audit.models import Event
from app.kernel.errors import ProblemError
from app.mail.models import Mail
from app.memberships.models import Grant, StaffGrant
from app.memberships.operations import (
    NewPerson,
    RoleGiven,
    add_people,
    add_staff,
    change_roles,
    set_up_organisation,
)
from app.organisations.models import Membership, Organisation
from app.services.models import Role
from app.vocabulary import USER_MANAGEMENT, EventName, StaffRole
from tests.browsing import mails_to

pytestmark = pytest.mark.usefixtures("cast")


def northfield() -> Organisation:
    """Return Northfield Academy."""
    return Organisation.get(Organisation.public_id == "northfield")


def counts() -> list[int]:
    """Return how much of everything is stored."""
    return [model.select().count() for model in (Person, Organisation, Membership, Grant, Event, Mail)]


def test_of_several_people_all_are_added_or_none() -> None:
    before = counts()
    with pytest.raises(ProblemError) as caught:
        add_people(
            northfield(),
            [
                NewPerson("Nora Field", "nora.field@example.org", []),
                NewPerson("Thomas Reed", "thomas.reed@example.org", []),
            ],
            by=None,
        )
    assert caught.value.field == "people-1-address"
    assert counts() == before


def test_an_organisation_is_set_up_with_an_officer_or_not_at_all() -> None:
    before = counts()
    with pytest.raises(ProblemError) as caught:
        set_up_organisation("Hill School", "90101", "Nora Field", "nora.field@example.org", by=None)
    assert caught.value.field == "centre_number"
    with pytest.raises(IntegrityError):
        set_up_organisation("Hill School", "90110", None, "nora.field@example.org", by=None)  # type: ignore[arg-type]
    assert counts() == before
    Role.delete().where(Role.slug == USER_MANAGEMENT).execute()
    before = counts()
    with pytest.raises(ProblemError, match="missing from the catalogue"):
        set_up_organisation("Hill School", "90110", "Nora Field", "nora.field@example.org", by=None)
    assert counts() == before


def test_giving_a_role_again_sets_its_days_anew() -> None:
    membership = Membership.get(Membership.public_id == "thomas-reed@northfield")
    role = Role.get(Role.slug == "training:user")
    for last in (date(2027, 1, 31), None):
        revision = change_roles(membership, give=[RoleGiven(role, None, last)], take=[], by=None)
        (grant,) = Grant.select().where(Grant.membership == membership, Grant.role == role)
        assert grant.last_day == last
        assert Event.select().order_by(Event.revision.desc()).get().revision == revision


def test_an_event_about_roles_says_what_when_and_why() -> None:
    membership = Membership.get(Membership.public_id == "thomas-reed@northfield")
    change_roles(
        membership,
        give=[RoleGiven(Role.get(Role.slug == "exam-entries:user"), date(2027, 1, 1), None)],
        take=[Role.get(Role.slug == "training:user")],
        reason="Covers for Iris",
        by=Person.get(Person.public_id == "olivia-marsh"),
    )
    event = Event.select().order_by(Event.revision.desc()).get()
    assert (event.name, event.by, event.subject, event.organisation) == (
        EventName.ROLES_CHANGED,
        "person:olivia-marsh",
        "membership:thomas-reed@northfield",
        "northfield",
    )
    assert event.details == {
        "given": ["exam-entries:user"],
        "taken": ["training:user"],
        "days": {"exam-entries:user": ["2027-01-01", None]},
        "reason": "Covers for Iris",
    }


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
