"""A crowd is plausible, hangs together, and leaves the database as if people had come one by one."""

from collections import Counter

import pytest

from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import matches
from app.demo import crowd
from app.kernel.errors import ProblemError
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.services.models import Role
from app.vocabulary import USER_MANAGEMENT, MembershipState, OrganisationState, PersonState

pytestmark = pytest.mark.one_database


def fill(people: int, organisations: int, seed: int = 1) -> list[tuple[int, int]]:
    """Add a crowd and return what was reported on the way."""
    reported: list[tuple[int, int]] = []
    crowd.fill(people, organisations, progress=lambda done, total: reported.append((done, total)), seed=seed)
    return reported


@pytest.fixture
def before(cast: None) -> dict[type, int]:
    """How many rows the cast has."""
    return {model: model.select().count() for model in (Person, Organisation)}


def newcomers(before: dict[type, int]) -> list[Person]:
    return list(Person.select().order_by(Person.id))[before[Person] :]


def test_the_crowd_has_the_size_that_was_asked_for(before: dict[type, int]) -> None:
    fill(200, 10)
    assert Person.select().count() - before[Person] == 200
    assert Organisation.select().count() - before[Organisation] == 10


def test_progress_ends_at_the_whole(before: dict[type, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "_BATCH", 80)
    assert fill(200, 10) == [(80, 200), (160, 200), (200, 200)]


def test_everybody_has_one_primary_address_and_a_place(before: dict[type, int]) -> None:
    fill(200, 10)
    for person in newcomers(before):
        assert [row.primary for row in person.addresses] == [True]
        assert 1 <= person.memberships.count() <= 2


def test_every_organisation_has_an_active_exams_officer(before: dict[type, int]) -> None:
    fill(150, 60)
    managed = {
        grant.membership.organisation_id
        for grant in Grant.select().join(Role).where(Role.slug == USER_MANAGEMENT)
        if grant.first_day is None
        and grant.last_day is None
        and grant.membership.state == MembershipState.ACTIVE
        and grant.membership.person.state == PersonState.ACTIVE
    }
    assert {row.id for row in list(Organisation.select().order_by(Organisation.id))[before[Organisation] :]} <= managed


def test_whoever_was_not_let_in_has_an_invitation_and_no_password(before: dict[type, int]) -> None:
    fill(200, 10)
    invited = [person for person in newcomers(before) if person.state == PersonState.INVITED]
    assert invited
    for person in invited:
        assert (person.password_hash, person.activated_at, person.last_sign_in_at) == ("", None, None)
        assert Invitation.select().where(Invitation.person == person).count() == person.memberships.count()


def test_the_crowd_shows_every_sort_of_case(before: dict[type, int]) -> None:
    fill(600, 40)
    states = Counter(person.state for person in newcomers(before))
    assert states.keys() == {PersonState.ACTIVE, PersonState.INVITED, PersonState.SUSPENDED}
    assert Membership.select().where(Membership.state == MembershipState.SUSPENDED).count() > 1
    assert any(person.memberships.count() == 2 for person in newcomers(before))
    assert Grant.select().where(Grant.last_day.is_null(False)).count() > 10
    assert Grant.select().where(Grant.first_day.is_null(False)).count() > 10


def test_a_first_day_is_never_after_the_last(before: dict[type, int]) -> None:
    fill(600, 40)
    assert not Grant.select().where(Grant.first_day > Grant.last_day).exists()


def test_officers_gave_only_what_is_theirs_to_give_and_nothing_to_themselves(before: dict[type, int]) -> None:
    fill(60, 5)
    given = Grant.select().where(Grant.given_by.is_null(False))
    assert given.count() > 50
    for grant in given:
        assert grant.role.officers_may_give
        assert grant.given_by != grant.membership.person
        assert grant.given_by.memberships.where(Membership.organisation == grant.membership.organisation).exists()


def test_the_big_organisation_has_exactly_its_people_and_is_active(before: dict[type, int]) -> None:
    fill(1200, 20)
    big = Organisation.get(Organisation.public_id == crowd.BIG)
    assert big.memberships.count() == crowd.BIG_SIZE
    assert big.state == OrganisationState.ACTIVE


def test_the_known_officer_looks_after_the_big_organisation_and_signs_in(before: dict[type, int]) -> None:
    fill(1200, 20)
    officer = EmailAddress.get(EmailAddress.address == crowd.OFFICER_ADDRESS).person
    assert next(place.organisation.public_id for place in officer.memberships) == crowd.BIG
    assert matches(officer.password_hash, crowd.PASSWORD)


def test_a_small_crowd_has_no_big_organisation(before: dict[type, int]) -> None:
    fill(200, 10)
    assert not Organisation.select().where(Organisation.public_id == crowd.BIG).exists()


def test_people_can_be_added_after_the_crowd(before: dict[type, int]) -> None:
    fill(200, 10)
    latest = Person.select(Person.id).order_by(Person.id.desc()).first().id
    added = Person.create(public_id="later", name="Later", created_at=newcomers(before)[0].created_at)
    assert added.id > latest


def test_the_same_seed_invents_the_same_people(before: dict[type, int]) -> None:
    fill(50, 5, seed=7)
    once = [(person.public_id, person.name, person.state) for person in newcomers(before)]
    newest = before[Person]
    for person in newcomers({Person: newest}):
        person.delete_instance()
    Organisation.delete().where(Organisation.centre_number < "90000").execute()
    fill(50, 5, seed=7)
    assert [(person.public_id, person.name, person.state) for person in newcomers(before)] == once


def test_a_second_crowd_is_refused(before: dict[type, int]) -> None:
    fill(50, 5)
    with pytest.raises(ProblemError, match="already"):
        fill(50, 5, seed=2)


@pytest.mark.parametrize(("people", "organisations"), [(50, 1), (5, 6)])
def test_numbers_that_do_not_go_together_are_refused(before: dict[type, int], people: int, organisations: int) -> None:
    with pytest.raises(ProblemError, match="two organisations or more"):
        fill(people, organisations)


def test_more_organisations_than_centre_numbers_are_refused(before: dict[type, int]) -> None:
    with pytest.raises(ProblemError, match="centre numbers for 89996 more"):
        fill(100_000, 95_000)


@pytest.mark.usefixtures("database")
def test_a_crowd_without_services_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(ProblemError, match="load the cast first"):
        fill(50, 5)
    assert not Organisation.select().exists()
