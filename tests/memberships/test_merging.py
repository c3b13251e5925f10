"""Merging two organisations: who belongs where afterwards, and what they hold there."""

import pytest

from app.accounts.activation import activate, invite, new_person
from app.accounts.models import Person
from app.kernel.errors import ProblemError
from app.memberships.merging import merge_organisations
from app.memberships.models import Membership
from app.memberships.operations import RoleGiven, change_roles, remove_person, suspend
from app.memberships.queries import grants_of, membership_of
from app.organisations.models import Organisation
from app.services.queries import role_with_slug
from app.vocabulary import MembershipState
from tests.directory import organisation
from tests.invited import ADDRESS, PASSWORD, token

pytestmark = pytest.mark.usefixtures("cast")


def place(person: str, at: str) -> Membership:
    found = membership_of(Person.get(Person.public_id == person), organisation(at))
    assert found
    return found


def held(person: str, at: str) -> set[str]:
    row = place(person, at)
    assert row.state == MembershipState.ACTIVE
    return {grant.role.slug for grant in grants_of([row]).get(row.id, [])}


def merge() -> int:
    return merge_organisations(organisation("northfield"), organisation("westbrook"), by=None)


def test_everybody_moves_with_what_they_hold_and_whoever_was_at_both_holds_both() -> None:
    before = {name: held(name, "northfield") for name in ("thomas-reed", "olivia-marsh")}
    amara = held("amara-lewis", "northfield") | held("amara-lewis", "westbrook")
    people = Membership.select().where(
        Membership.organisation == organisation("northfield"), Membership.state != MembershipState.ENDED
    )
    count = people.count()
    assert merge() == count
    assert people.count() == 0
    assert {name: held(name, "westbrook") for name in before} == before
    assert held("amara-lewis", "westbrook") == amara
    assert place("yusuf-demir", "westbrook").state == MembershipState.SUSPENDED
    assert Organisation.get(Organisation.public_id == "northfield").state == "closed"


def test_a_suspended_place_brings_nothing_to_one_that_is_not() -> None:
    suspend(place("amara-lewis", "northfield"), by=None)
    before = held("amara-lewis", "westbrook")
    merge()
    assert held("amara-lewis", "westbrook") == before


def test_what_somebody_held_at_a_place_of_the_past_does_not_come_back() -> None:
    training = role_with_slug("training:user")
    assert training
    old = place("amara-lewis", "westbrook")
    change_roles(old, give=[RoleGiven(training)], take=(), by=None)
    remove_person(old, by=None)
    before = held("amara-lewis", "northfield")
    assert "training:user" not in before
    merge()
    assert held("amara-lewis", "westbrook") == before


def test_an_invitation_to_the_one_leads_to_the_other() -> None:
    nora = new_person("Nora Field", ADDRESS)
    invite(nora, organisation("northfield"), by=None)
    link = token()
    merge()
    assert activate(link, PASSWORD) == nora


@pytest.mark.parametrize(("source", "target"), [("northfield", "northfield"), ("southmere", "westbrook")])
def test_what_cannot_be_merged_is_left_as_it_is(source: str, target: str) -> None:
    with pytest.raises(ProblemError):
        merge_organisations(organisation(source), organisation(target), by=None)
    assert Organisation.get(Organisation.public_id == target).state == "active"
