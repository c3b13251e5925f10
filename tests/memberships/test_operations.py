"""Changes to memberships and their roles: all of a change with its event, or nothing."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
import time_machine
from peewee import IntegrityError

from app.accounts.activation import activate, invite, new_person
from app.accounts.models import Person
from app.accounts.queries import invitation_with
from app.audit.models import Event
from app.kernel.errors import ProblemError
from app.mail.models import Mail
from app.memberships.models import Grant, Membership
from app.memberships.operations import (
    AlreadyMemberError,
    NewPerson,
    RoleGiven,
    add_people,
    cancel_invitation,
    change_roles,
    reactivate,
    remove_person,
    set_up_organisation,
    suspend,
)
from app.organisations.models import Organisation
from app.services.models import Role
from app.vocabulary import USER_MANAGEMENT, EventName, MembershipState
from tests.directory import olivia, organisation
from tests.events import newest_event, newest_person
from tests.invited import ADDRESS, PASSWORD, token, works

pytestmark = pytest.mark.usefixtures("cast")


@pytest.fixture
def nora(cast: None) -> Person:
    """Somebody new."""
    return new_person("Nora Field", ADDRESS)


def counts() -> list[int]:
    """Return how much of everything is stored."""
    return [model.select().count() for model in (Person, Organisation, Membership, Grant, Event, Mail)]


def test_of_several_people_all_are_added_or_none() -> None:
    before = counts()
    with pytest.raises(AlreadyMemberError) as caught:
        add_people(
            organisation("northfield"),
            [
                NewPerson("Nora Field", "nora.field@example.org", []),
                NewPerson("Thomas Reed", "thomas.reed@example.org", []),
            ],
            by=None,
        )
    assert caught.value.index == 1
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


@pytest.fixture
def invited_by_two(nora: Person) -> dict[str, str]:
    """The tokens of Nora's invitations, by the public id of the organisation."""
    tokens = {}
    for name in ("northfield", "westbrook"):
        add_people(organisation(name), [NewPerson("Nora Field", ADDRESS, [])], by=olivia())
        tokens[name] = token()
    return tokens


def nora_at(name: str) -> Membership:
    return Membership.get(Membership.person == Person.get(Person.name == "Nora Field"), organisation=organisation(name))


@pytest.mark.parametrize(
    ("operation", "event"),
    [(cancel_invitation, EventName.INVITATION_CANCELLED), (remove_person, EventName.MEMBER_REMOVED)],
)
def test_whoever_is_removed_before_they_activate_keeps_the_invitation_of_another_organisation(
    invited_by_two: dict[str, str], operation: Callable[..., None], event: EventName
) -> None:
    place = nora_at("northfield")
    operation(place, by=olivia())
    assert {name: works(link) for name, link in invited_by_two.items()} == {"northfield": False, "westbrook": True}
    assert nora_at("northfield").state == MembershipState.ENDED
    assert nora_at("westbrook").state == MembershipState.ACTIVE
    assert newest_event() == (event, "person:olivia-marsh", place.reference, "northfield")
    assert newest_person() == place.person.public_id
    with pytest.raises(ProblemError, match="does not work any more"):
        activate(invited_by_two["northfield"], PASSWORD)


def test_cancelling_an_invitation_again_does_not_move_its_time(invited_by_two: dict[str, str]) -> None:
    def cancelled_at() -> datetime | None:
        return invitation_with(invited_by_two["northfield"]).cancelled_at  # type: ignore[union-attr]

    assert cancelled_at() is None
    cancel_invitation(nora_at("northfield"), by=olivia())
    first = cancelled_at()
    assert first is not None
    with time_machine.travel(first + timedelta(hours=1)):
        for operation in (cancel_invitation, remove_person):
            operation(nora_at("northfield"), by=olivia())
            assert cancelled_at() == first
        invite(Person.get(Person.name == "Nora Field"), organisation("northfield"), by=olivia())
        assert cancelled_at() == first


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


def test_the_longest_names_that_can_be_typed_fit_into_both_databases() -> None:
    hill = set_up_organisation("H" * 200, "90110", "A" * 120, f"{'a' * 60}@{'b' * 60}.example.org", by=None)
    # Somebody known and somebody new: each gets a mail with the longest subject there is.
    people = [NewPerson("T" * 120, "thomas.reed@example.org", []), NewPerson("N" * 120, "nora.field@example.org", [])]
    added = add_people(hill, people, by=None)
    reason = "r" * 200
    roles = [RoleGiven(role) for role in Role.select().where(Role.service.is_null(is_null=False)).limit(3)]
    for membership in added:
        change_roles(membership, give=roles, take=(), reason=reason, by=olivia())
    assert Mail.select().count() == 3
