"""Why not: every reason has a case, every claimed change helps when it is made for real, and none is larger than it
must be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.models import Person
from app.accounts.queries import primary_address
from app.authz import facts
from app.authz.decision_point import Decision, DecisionRequest, decide, decide_request
from app.authz.engine.engine import Engine
from app.authz.explain import explanation
from app.authz.explain.counterfactuals import (
    ANY_ORGANISATION,
    Change,
    apply_changes,
    possible_changes,
    smallest_changes,
)
from app.authz.explain.explanation import Explanation, explain, reason_for, visible_to, visible_to_client
from app.authz.information import directory
from app.config import ROOT
from app.kernel import clock
from app.kernel.database import database as bound
from app.memberships.models import Membership
from app.memberships.operations import NewPerson, RoleGiven, add_people, change_roles, reactivate
from app.organisations.models import Organisation
from app.services.models import Client, Service
from app.services.queries import role_with_slug, roles_of
from app.vocabulary import (
    PERMISSIONS,
    USER_MANAGEMENT,
    Action,
    MembershipState,
    OrganisationState,
    PersonState,
    Reason,
    ServiceState,
    Who,
)
from tests.authz.engine.random_facts import Directory, directories
from tests.authz.engine.test_replay import thorough
from tests.running import change, restored

pytestmark = pytest.mark.one_database

ENGINE = Engine.load(ROOT / "policies")


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The shipped policy, and nothing remembered."""
    with restored():
        change(engine=ENGINE)
        explanation._reasons.clear()
        yield


def reasoned(question: DecisionRequest) -> Decision:
    """Decide, and return the decision with its reason."""
    return reason_for(question, decide_request(question))


def asked(person: str, service: str, at: str | None = None, action: str = "launch") -> DecisionRequest:
    """Return the question whether somebody of the cast may open a service."""
    place = None if at is None else directory.organisation(Organisation.get(Organisation.public_id == at))
    found = directory.person_named(person)
    row = Service.get(Service.slug == service)
    assert found
    given = tuple(directory.role(role, place) for role in roles_of(row))
    return DecisionRequest(found, action, directory.service(row), facts.Context(place), given)


def of_membership(person: str, action: Action, membership: str) -> DecisionRequest:
    found = directory.person_named(person)
    (thing,) = directory.memberships([Membership.get(Membership.public_id == membership)])
    assert found
    assert thing
    return DecisionRequest(found, action, thing, facts.Context())


def claims(explanation: Explanation) -> list[list[tuple[str, str, str]]]:
    """Return the alternatives as reason, what it is about, and who."""
    return [
        [(str(one.change.reason), one.change.role.slug if one.change.role else "", str(one.who)) for one in needed]
        for needed in explanation.alternatives
    ]


OFFICERS, NOBODY, PERSON, OPERATOR = (str(who) for who in (Who.EXAMS_OFFICERS, Who.NOBODY, Who.PERSON, Who.OPERATOR))


@pytest.mark.parametrize(
    ("person", "service", "at", "expected"),
    [
        (
            "thomas-reed",
            "access-to-scripts",
            "northfield",
            [[("role_missing", "access-to-scripts:exams-officer", OFFICERS)]],
        ),
        (
            "thomas-reed",
            "exam-entries",
            None,
            [
                [("role_missing", "exam-entries:user", OFFICERS)],
                # The board keeps this one to itself.
                [("role_missing", "exam-entries:late-entries", NOBODY)],
            ],
        ),
        (
            "iris-bell",
            "submit-for-assessment",
            None,
            [
                [("role_ended", "submit-for-assessment:exams-officer", OFFICERS)],
                [("role_missing", "submit-for-assessment:teacher", OFFICERS)],
            ],
        ),
        (
            "owen-price",
            "teaching-resources",
            None,
            [
                [("role_not_started", "teaching-resources:teacher", OFFICERS)],
                [("role_missing", "teaching-resources:exams-officer", OFFICERS)],
            ],
        ),
        ("yusuf-demir", "submit-for-assessment", None, [[("membership_not_active", "", OFFICERS)]]),
        (
            "yusuf-demir",
            "training",
            None,
            [[("membership_not_active", "", OFFICERS), ("role_missing", "training:user", OFFICERS)]],
        ),
        ("leila-haddad", "submit-for-assessment", None, [[("organisation_not_active", "", NOBODY)]]),
        ("ben-castle", "teaching-resources", None, [[("person_not_active", "", PERSON)]]),
        ("grace-holt", "submit-for-assessment", None, [[("person_not_active", "", NOBODY)]]),
        ("thomas-reed", "results-by-post", None, [[("service_not_live", "", NOBODY)]]),
        (
            "helen-frost",
            "training",
            None,
            [[("no_membership", "", OFFICERS), ("role_missing", "training:user", OFFICERS)]],
        ),
        (
            "olivia-marsh",
            "training",
            "westbrook",
            [[("no_membership", "", OFFICERS), ("role_missing", "training:user", OFFICERS)]],
        ),
        (
            "amara-lewis",
            "training",
            None,
            [[("role_missing", "training:user", OFFICERS)], [("role_missing", "training:user", OFFICERS)]],
        ),
    ],
)
def test_a_no_names_the_smallest_changes_and_who_may_make_them(
    cast: None, person: str, service: str, at: str | None, expected: list[list[tuple[str, str, str]]]
) -> None:
    question = asked(person, service, at)
    explanation = explain(question)
    assert claims(explanation) == expected
    assert explanation.decision.reason == reasoned(question).reason == expected[0][0][0]


def two_places(first: tuple[str, str], second: tuple[str, str]) -> DecisionRequest:
    """Return whether somebody without a role may launch a service; each place has its own state and a membership's."""
    service = facts.Service("s", "live")
    person = facts.Person("p", "active")
    facts.with_memberships(
        person,
        lambda _: tuple(
            facts.Membership(name, person, facts.Organisation(name, place, "UTC"), state, ())
            for name, (place, state) in (("first", first), ("second", second))
        ),
    )
    role = facts.Role("s:1", service, None, officers_may_give=True)
    return DecisionRequest(person, "launch", service, facts.Context(), (role,))


def test_of_two_places_the_one_that_needs_less_is_told() -> None:
    question = two_places(("closed", "suspended"), ("active", "suspended"))
    (changes,) = smallest_changes(question)
    assert [change.reason for change in changes] == [Reason.MEMBERSHIP_NOT_ACTIVE, Reason.ROLE_MISSING]
    assert {change.organisation.public_id for change in changes if change.organisation} == {"second"}


def test_what_is_more_fundamental_is_told_first() -> None:
    pairs = smallest_changes(two_places(("active", "suspended"), ("closed", "active")))
    assert [changes[0].reason for changes in pairs] == [Reason.ORGANISATION_NOT_ACTIVE, Reason.MEMBERSHIP_NOT_ACTIVE]
    question = two_places(("active", "active"), ("active", "suspended"))
    assert isinstance(question.actor, facts.Person)
    first, second = question.actor.memberships
    role = facts.Role("s:1", question.grantable_roles[0].service, second.organisation, officers_may_give=True)
    held = (facts.Grant(role, None, None),)
    suspended = facts.Membership("second", question.actor, second.organisation, "suspended", held)
    facts.with_memberships(question.actor, lambda _: (first, suspended))
    singles = smallest_changes(question)
    assert [changes[0].reason for changes in singles] == [Reason.MEMBERSHIP_NOT_ACTIVE, Reason.ROLE_MISSING]


def test_a_change_that_stands_in_the_way_of_the_others_is_left_out(tmp_path: Path) -> None:
    for path in (ROOT / "policies").glob("*.polar"):
        text = path.read_text().replace("grant.role.service = service and", "permitted(membership, grant) and")
        (tmp_path / path.name).write_text(text)
    with (tmp_path / "service.polar").open("a") as file:
        file.write("""
permitted(membership: Membership, grant: Grant) if
  grant.role.slug = "s:1" and
  not barred(membership);

barred(membership: Membership) if
  grant in membership.grants and
  grant.role.slug = "s:2";
""")
    change(engine=Engine.load(tmp_path))
    question = two_places(("closed", "active"), ("closed", "suspended"))
    barring = facts.Role("s:2", question.grantable_roles[0].service, None, officers_may_give=True)
    (changes,) = smallest_changes(question._replace(grantable_roles=(barring, *question.grantable_roles)))
    assert [(change.reason, change.role and change.role.slug) for change in changes] == [
        (Reason.ORGANISATION_NOT_ACTIVE, None),
        (Reason.ROLE_MISSING, "s:1"),
    ]


def test_nobody_is_added_where_they_belong_already() -> None:
    question = two_places(("active", "suspended"), ("active", "active"))
    at = facts.Context(facts.Organisation("first", "active", "UTC"))
    (changes,) = smallest_changes(question._replace(context=at))
    assert [change.reason for change in changes] == [Reason.MEMBERSHIP_NOT_ACTIVE, Reason.ROLE_MISSING]


def test_one_s_own_membership_is_for_a_second_officer(cast: None) -> None:
    explanation = explain(of_membership("olivia-marsh", Action.SUSPEND, "olivia-marsh@northfield"))
    assert explanation.decision.reason is Reason.OWN_MEMBERSHIP
    assert claims(explanation) == [[("own_membership", "", OFFICERS)]]


def others_standing(explanation: Explanation) -> list[list[tuple[str | None, str]]]:
    """Return the alternatives as the state that the membership asked about or its person takes on, and who."""
    return [[(one.change.state, str(one.who)) for one in needed] for needed in explanation.alternatives]


@pytest.mark.parametrize(
    ("action", "membership", "state", "who"),
    [
        (Action.REACTIVATE, "thomas-reed@northfield", "suspended", OFFICERS),
        (Action.SUSPEND, "yusuf-demir@northfield", "active", OFFICERS),
        (Action.RESEND_INVITATION, "thomas-reed@northfield", "invited", NOBODY),
        (Action.CANCEL_INVITATION, "grace-holt@northfield", "invited", NOBODY),
    ],
)
def test_a_no_because_of_where_somebody_stands_says_so(
    cast: None, action: Action, membership: str, state: str, who: str
) -> None:
    explanation = explain(of_membership("olivia-marsh", action, membership))
    assert explanation.decision.reason is Reason.NOT_ALLOWED
    assert others_standing(explanation) == [[(state, who)]]
    assert visible_to(explanation.request.actor, explanation) == explanation


def test_a_role_is_missing_before_somebody_stands_otherwise(cast: None) -> None:
    explanation = explain(of_membership("thomas-reed", Action.REACTIVATE, "iris-bell@northfield"))
    assert explanation.alternatives == ()
    management = role_with_slug(USER_MANAGEMENT)
    assert management
    roles = (directory.role(management, None),)
    explanation = explain(explanation.request._replace(grantable_roles=roles))
    assert explanation.decision.reason is Reason.ROLE_MISSING
    assert others_standing(explanation) == [[(None, OFFICERS), ("suspended", OFFICERS)]]


def test_one_s_own_place_stands_otherwise_only_for_a_second_officer(cast: None) -> None:
    explanation = explain(of_membership("olivia-marsh", Action.REACTIVATE, "olivia-marsh@northfield"))
    assert explanation.decision.reason is Reason.OWN_MEMBERSHIP
    assert others_standing(explanation)[0][1][0] == "suspended"


def of_platform(person: str, action: Action) -> DecisionRequest:
    found = directory.person_named(person)
    assert found
    return DecisionRequest(found, action, directory.PLATFORM, facts.Context())


def staff_roles(explanation: Explanation) -> list[list[tuple[str, str | None, str]]]:
    return [
        [(str(one.change.reason), one.change.staff_role, str(one.who)) for one in needed]
        for needed in explanation.alternatives
    ]


def test_who_is_no_staff_may_be_made_staff_by_the_operator(cast: None) -> None:
    explanation = explain(of_platform("olivia-marsh", Action.READ_DECISIONS))
    assert explanation.decision.reason is Reason.ROLE_MISSING
    assert staff_roles(explanation) == [
        [("role_missing", "support", OPERATOR)],
        [("role_missing", "auditor", OPERATOR)],
    ]
    explanation = explain(of_platform("ruth-adeyemi", Action.ADD_ORGANISATION))
    assert staff_roles(explanation) == [[("role_missing", "support", OPERATOR)]]
    explanation = explain(of_platform("ben-castle", Action.ADD_ORGANISATION))
    assert staff_roles(explanation) == [[("person_not_active", None, PERSON), ("role_missing", "support", OPERATOR)]]


def test_what_nothing_would_help_is_not_allowed_and_no_more(cast: None) -> None:
    officer, other = directory.person_named("olivia-marsh"), directory.person_named("thomas-reed")
    assert officer
    assert other
    explanation = explain(DecisionRequest(officer, Action.CHANGE_PASSWORD, other, facts.Context()))
    assert explanation.decision.reason is Reason.NOT_ALLOWED
    assert explanation.alternatives == ()
    assert explanation.readings


def test_a_guest_is_told_that_nobody_is_signed_in() -> None:
    service = facts.Service("training", "live")
    explanation = explain(DecisionRequest(facts.Guest(), "launch", service, facts.Context()))
    assert explanation.decision.reason is Reason.NOT_SIGNED_IN
    assert explanation.alternatives == ()


def test_a_policy_that_fails_explains_nothing(cast: None) -> None:
    broken = facts.Person("", "active")
    object.__setattr__(broken, "memberships", None)
    explanation = explain(DecisionRequest(broken, "launch", facts.Service("training", "live"), facts.Context()))
    assert explanation.decision.reason is Reason.POLICY_ERROR
    assert (explanation.rules, explanation.readings, explanation.alternatives) == ((), (), ())


def test_an_allow_names_its_rules_and_the_grant_that_carried_it(cast: None) -> None:
    explanation = explain(asked("thomas-reed", "training"))
    assert explanation.decision.allowed
    assert "service.polar" in {rule.file for rule in explanation.rules}
    (grant,) = (reading.owner for reading in explanation.readings if reading.field == "in_force")
    assert isinstance(grant, facts.Grant)
    assert grant.role.slug == "training:user"
    assert explanation.alternatives == ()


class TestEveryClaimedChange:
    """Made for real, it turns the answer."""

    @pytest.mark.slow
    def test_helps_everybody_of_the_cast_with_every_service(self, cast: None) -> None:
        tried = set()
        for person in Person.select():
            for service in Service.select():
                for at in (None, "northfield", "eastgate"):
                    question = asked(person.public_id, service.slug, at)
                    for needed in explain(question).alternatives:
                        changes = [one.change for one in needed]
                        with undone():
                            for change in changes:
                                make(change, person, service)
                            after = asked(person.public_id, service.slug, at)
                            assert allows(after), (question, changes)
                        tried |= {change.reason for change in changes}
                        assert not allows(question)
        assert tried == set(MAKE)


@contextmanager
def undone() -> Iterator[None]:
    """Undo everything that the block changes in the database."""
    with bound.atomic() as transaction:
        yield
        transaction.rollback()


def make(change: Change, person: Person, service: Service) -> None:
    """Make a change as those do who can; what nobody can do from a page is written into the rows."""
    MAKE[change.reason](change, person, service)


def _olivia() -> Person:
    return Person.get(Person.public_id == "olivia-marsh")


def _activate(_change: Change, person: Person, _service: Service) -> None:
    Person.update(state=PersonState.ACTIVE).where(Person.id == person.id).execute()


def _add(change: Change, person: Person, _service: Service) -> None:
    add_people(_organisation(change), [NewPerson(person.name, primary_address(person), [])], by=_olivia())


def _organisation(change: Change) -> Organisation:
    assert change.organisation
    anywhere = change.organisation == ANY_ORGANISATION
    return Organisation.get(Organisation.public_id == ("westbrook" if anywhere else change.organisation.public_id))


def _open(change: Change, _person: Person, _service: Service) -> None:
    Organisation.update(state=OrganisationState.ACTIVE).where(Organisation.id == _organisation(change).id).execute()


def _membership(change: Change, person: Person) -> Membership:
    return Membership.get(Membership.person == person, Membership.organisation == _organisation(change))


def _reactivate(change: Change, person: Person, _service: Service) -> None:
    reactivate(_membership(change, person), by=_olivia())


def _make_live(_change: Change, _person: Person, service: Service) -> None:
    Service.update(state=ServiceState.LIVE).where(Service.id == service.id).execute()


def _give(change: Change, person: Person, _service: Service) -> None:
    assert change.role
    role = role_with_slug(change.role.slug)
    assert role
    change_roles(_membership(change, person), give=[RoleGiven(role)], take=[], by=_olivia())


MAKE: dict[Reason, Callable[[Change, Person, Service], None]] = {
    Reason.PERSON_NOT_ACTIVE: _activate,
    Reason.NO_MEMBERSHIP: _add,
    Reason.ORGANISATION_NOT_ACTIVE: _open,
    Reason.MEMBERSHIP_NOT_ACTIVE: _reactivate,
    Reason.SERVICE_NOT_LIVE: _make_live,
    Reason.ROLE_NOT_STARTED: _give,
    Reason.ROLE_ENDED: _give,
    Reason.ROLE_MISSING: _give,
}


@pytest.mark.slow
@given(directories(), st.data())
@thorough
def test_no_smaller_set_of_changes_would_do_and_where_none_is_found_none_would(
    directory: Directory, data: st.DataObject
) -> None:
    person = data.draw(st.sampled_from(directory.people))
    memberships = [held for one in directory.people for held in one.memberships]
    kinds = [directory.services, directory.roles, directory.places, memberships or directory.places]
    thing = data.draw(st.sampled_from([*data.draw(st.sampled_from(kinds)), facts.Platform()]))
    action = str(data.draw(st.sampled_from(sorted(PERMISSIONS[type(thing).__name__]))))
    context = data.draw(st.sampled_from(directory.contexts))
    roles = tuple(role for role in directory.roles if role.organisation is None)
    question = DecisionRequest(person, action, thing, context, roles)
    with clock.pinned(directory.now):
        if allows(question):
            return
        found = list(smallest_changes(question))
        sizes = {len(changes) for changes in found}
        assert len(sizes) <= 1
        assert all(allows(apply_changes(question, changes)) for changes in found)
        everything = list(possible_changes(question))
        below = sizes.pop() if sizes else 3
        for size in range(below):
            assert not any(allows(apply_changes(question, changes)) for changes in combinations(everything, size))


def allows(question: DecisionRequest) -> bool:
    return decide(question.actor, question.action, question.resource, question.context).allowed


class TestWhatIsRemembered:
    def test_a_reason_is_found_once_for_the_same_facts(self, cast: None, monkeypatch: pytest.MonkeyPatch) -> None:
        question = asked("thomas-reed", "access-to-scripts")
        first = reasoned(question)
        monkeypatch.setattr(explanation, "smallest_changes", lambda _question: pytest.fail("searched again"))
        assert reasoned(question) is first

    def test_facts_that_were_read_anew_are_other_facts(self, cast: None) -> None:
        assert reasoned(asked("thomas-reed", "access-to-scripts")).reason is Reason.ROLE_MISSING
        Membership.update(state=MembershipState.SUSPENDED).where(
            Membership.public_id == "thomas-reed@northfield"
        ).execute()
        assert reasoned(asked("thomas-reed", "access-to-scripts")).reason is Reason.MEMBERSHIP_NOT_ACTIVE

    def test_it_holds_only_until_the_next_grant_starts_or_ends(self) -> None:
        noon = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
        here, service = facts.Organisation("here", "active", "UTC"), facts.Service("s", "live")
        person = facts.Person("p", "active")
        role = facts.Role("s:1", service, here, officers_may_give=True)
        gap = (facts.Grant(role, None, noon), facts.Grant(role, noon + timedelta(hours=2), None))
        # The first one ended; in two hours the second one starts, and then an outer grant matters again.
        facts.with_memberships(person, lambda _: (facts.Membership("m", person, here, "suspended", gap),))
        question = DecisionRequest(person, "launch", service, facts.Context())
        with time_machine.travel(noon + timedelta(hours=1), tick=False) as traveller:
            reasoned(question)
            traveller.move_to(noon + timedelta(hours=1, minutes=59))
            remembered = next(iter(explanation._reasons.values()))
            assert reasoned(question) is remembered.decision
            traveller.move_to(noon + timedelta(hours=3))
            later = reasoned(question)
            assert later is not remembered.decision
            # Clocks are set back, too.
            traveller.move_to(noon)
            assert reasoned(question) is not later

    def test_another_policy_is_asked_anew(self, cast: None) -> None:
        question = asked("thomas-reed", "access-to-scripts")
        first = reasoned(question)
        change(engine=Engine.load(ROOT / "policies"))
        assert reasoned(question) is not first

    def test_other_roles_to_give_are_another_question(self, cast: None) -> None:
        question = asked("thomas-reed", "access-to-scripts")
        assert reasoned(question).reason is Reason.ROLE_MISSING
        assert reasoned(question._replace(grantable_roles=())).reason is Reason.NOT_ALLOWED

    def test_what_the_request_tells_is_never_reasons(self, cast: None) -> None:
        question = asked("thomas-reed", "access-to-scripts")
        told = facts.Context(None, facts.Properties({"a": 1}))
        reasoned(question._replace(context=told))
        assert not explanation._reasons

    def test_it_is_bounded(self, cast: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(explanation, "_REASONS_LIMIT", 3)
        questions = [asked("thomas-reed", slug) for slug in ("access-to-scripts", "exam-entries", "pe-submissions")]
        for question in questions * 5:
            reasoned(question._replace(resource=facts.Service(question.resource.slug, "live")))  # type: ignore[attr-defined]
            assert len(explanation._reasons) <= 3

    def test_the_leaf_of_the_answer_stays_with_the_reason(self, cast: None) -> None:
        question = asked("thomas-reed", "access-to-scripts")
        assert reasoned(question).leaf == decide(question.actor, "launch", question.resource).leaf


def seen(asker: str, question: DecisionRequest) -> Explanation:
    reader = directory.person_named(asker)
    assert reader
    return visible_to(reader, explain(question))


def named(explanation: Explanation) -> set[str]:
    """Return the ids of the organisations that an explanation says anything about."""
    found = {
        organisation.public_id
        for reading in explanation.readings
        for fact in (*reading.chain[1:], *(reading.value if isinstance(reading.value, tuple) else (reading.value,)))
        for organisation in [fact.organisation if isinstance(fact, facts.Membership) else fact]
        if isinstance(organisation, facts.Organisation)
    }
    return found | {
        one.change.organisation.public_id
        for needed in explanation.alternatives
        for one in needed
        if one.change.organisation
    }


class TestWhoSeesWhat:
    def test_an_officer_learns_nothing_of_other_organisations(self, cast: None) -> None:
        question = asked("amara-lewis", "training")
        assert named(explain(question)) == {"northfield", "westbrook"}
        assert named(seen("olivia-marsh", question)) == {"northfield"}
        assert named(seen("priya-nair", question)) == {"westbrook"}

    def test_an_officer_learns_nothing_of_an_allow_that_another_organisation_carries(self, cast: None) -> None:
        question = asked("amara-lewis", "teaching-resources")
        assert "westbrook" in named(explain(question))
        assert named(seen("olivia-marsh", question)) == {"northfield"}

    def test_people_see_all_of_their_own(self, cast: None) -> None:
        for person, service in (("amara-lewis", "training"), ("yusuf-demir", "training"), ("leila-haddad", "training")):
            question = asked(person, service)
            assert seen(person, question) == explain(question)

    def test_who_belongs_nowhere_sees_that_a_place_is_missing(self, cast: None) -> None:
        question = asked("helen-frost", "training")
        assert seen("helen-frost", question).alternatives

    def test_somebody_else_sees_nothing_of_the_person(self, cast: None) -> None:
        found = seen("helen-frost", asked("amara-lewis", "training"))
        assert {type(reading.owner).__name__ for reading in found.readings} <= {"Service", "Context"}
        assert found.alternatives == ()

    def test_a_service_that_the_reader_may_not_know_is_not_named(self, cast: None) -> None:
        found = seen("olivia-marsh", asked("thomas-reed", "online-moderation"))
        assert not [reading for reading in found.readings if isinstance(reading.owner, facts.Service)]

    def test_a_program_learns_roles_of_its_own_service_and_of_nobody_s_place(self, cast: None) -> None:
        client = directory.client(Client.get(Client.public_id == "submit-for-assessment"))
        found = visible_to_client(client, explain(asked("iris-bell", "submit-for-assessment")))
        owners = {type(reading.owner).__name__ for reading in found.readings}
        assert owners == {"Service", "Grant", "Role"}
        slugs = {
            fact.role.slug for reading in found.readings for fact in reading.chain if isinstance(fact, facts.Grant)
        }
        assert slugs == {"submit-for-assessment:exams-officer"}
        assert found.alternatives
        # An officer of the school has more roles, of other services; those are none of this program's business.
        allowed = visible_to_client(client, explain(asked("olivia-marsh", "submit-for-assessment")))
        assert {type(reading.owner).__name__ for reading in allowed.readings} <= {"Service", "Grant", "Role"}
        assert USER_MANAGEMENT not in str([reading.value for reading in allowed.readings])
