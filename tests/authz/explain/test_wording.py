"""Explanations in plain words: names and days that people know, and not a word of the machine's."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.accounts.models import Person
from app.authz.engine.engine import Engine
from app.authz.explain import explanation
from app.authz.explain.counterfactuals import ORDER
from app.authz.explain.explanation import explain
from app.authz.explain.wording import ExplanationText, in_words
from app.config import ROOT
from app.kernel import clock
from app.memberships.models import Grant, Membership
from app.memberships.operations import RoleGiven, change_roles
from app.services.models import Service
from app.services.queries import role_with_slug
from app.vocabulary import (
    CHANGE_SENTENCES,
    SEEN_SENTENCES,
    SOME_ORGANISATION,
    STAFF_ROLE_SENTENCES,
    STATE_SENTENCES,
    USER_SENTENCES,
    WHO_SENTENCES,
    Action,
    MembershipState,
    OrganisationState,
    PersonState,
    Reason,
    Seen,
    ServiceState,
    StaffRole,
    Who,
)
from tests.authz.explain.test_explanation import asked, of_membership
from tests.running import change, restored

pytestmark = pytest.mark.one_database

STATES = {
    "Person": PersonState,
    "Membership": MembershipState,
    "Organisation": OrganisationState,
    "Service": ServiceState,
}


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The shipped policy, and nothing remembered."""
    with restored():
        change(engine=Engine.load(ROOT / "policies"))
        explanation._reasons.clear()
        yield


def told(person: str, service: str, at: str | None = None) -> ExplanationText:
    return in_words(explain(asked(person, service, at)))


def test_there_is_a_sentence_for_everything_that_can_be_said() -> None:
    # Of the last there is a sentence for each state.
    assert set(CHANGE_SENTENCES) == set(ORDER) - {Reason.NOT_ALLOWED}
    assert set(USER_SENTENCES) == {MembershipState.ACTIVE, MembershipState.SUSPENDED, PersonState.INVITED}
    assert set(STAFF_ROLE_SENTENCES) == set(StaffRole)
    assert set(WHO_SENTENCES) == set(Who)
    assert set(SEEN_SENTENCES) == set(Seen)
    assert {kind: set(sentences) for kind, sentences in STATE_SENTENCES.items()} == {
        kind: set(states) for kind, states in STATES.items()
    }
    changes = (CHANGE_SENTENCES, USER_SENTENCES, STAFF_ROLE_SENTENCES)
    for sentences in (*changes, WHO_SENTENCES, SEEN_SENTENCES, *STATE_SENTENCES.values()):
        for sentence in sentences.values():
            assert re.fullmatch(r"[A-Z{].*[.]", sentence)


def test_a_yes_says_who_gave_the_role_and_until_when(cast: None) -> None:
    today = clock.today("Europe/London")
    last_day = today + timedelta(days=3)
    held = Membership.get(Membership.public_id == "thomas-reed@northfield")
    role = role_with_slug("access-to-scripts:exams-officer")
    assert role
    olivia = Person.get(Person.public_id == "olivia-marsh")
    change_roles(held, give=[RoleGiven(role, None, last_day)], take=[], by=olivia)
    said = told("thomas-reed", "access-to-scripts")
    assert said.allowed
    assert said.sentence == "The policy allows this."
    assert said.facts == [
        "The account is active.",
        "Access to scripts is open.",
        "The account belongs to Northfield Academy.",
        "Access at Northfield Academy is active.",
        "Northfield Academy is active.",
        (
            "The roles at Northfield Academy: Teaching resources: Teacher, Submit for assessment: Teacher, "
            "Training: User, Results by post: User, Access to scripts: Exams officer."
        ),
        (
            "The role Access to scripts: Exams officer at Northfield Academy counts until the end of "
            f"{clock.in_words(last_day)}. Olivia Marsh gave it on {clock.in_words(today)}."
        ),
    ]
    assert re.fullmatch(r"main, line \d+", said.rules[0])


def test_a_role_without_giver_and_end_says_neither(cast: None) -> None:
    given = Grant.get(Grant.role == role_with_slug("training:user")).created_at.date()
    assert (
        f"The role Training: User at Northfield Academy counts. It was given on {clock.in_words(given)}."
        in told("thomas-reed", "training").facts
    )


@pytest.mark.parametrize(
    ("person", "service", "sentence"),
    [
        ("iris-bell", "submit-for-assessment", r"The role .+ at Northfield Academy ended on {-10}\. It was given on"),
        ("owen-price", "teaching-resources", r"The role .+ at Northfield Academy starts on {30}\. It was given on"),
        ("helen-frost", "training", r"The account belongs to no school or college\."),
        ("amara-lewis", "training", r"The account belongs to Northfield Academy, Westbrook College\."),
        ("ben-castle", "training", r"The account has not been activated yet\."),
        ("grace-holt", "training", r"The account is suspended\."),
        ("martin-shaw", "training", r"The account is closed\."),
        ("yusuf-demir", "training", r"Access at Northfield Academy is suspended\."),
        ("leila-haddad", "training", r"Eastgate School is suspended\."),
        ("frank-doyle", "training", r"Southmere High School is closed\."),
        ("olivia-marsh", "online-moderation", r"Online moderation is not open yet\."),
        ("thomas-reed", "results-by-post", r"Results by post is not open any more\."),
    ],
)
def test_a_no_says_what_was_looked_at(cast: None, person: str, service: str, sentence: str) -> None:
    today = clock.today("Europe/London")
    pattern = re.sub(r"{(-?\d+)}", lambda days: clock.in_words(today + timedelta(days=int(days[1]))), sentence)
    assert [said for said in told(person, service).facts if re.match(pattern, said)]


def test_somebody_without_any_role_is_said_to_have_none(cast: None) -> None:
    Grant.delete().execute()
    assert "No role has been given at Northfield Academy." in told("thomas-reed", "training").facts


def test_a_change_is_said_with_who_can_make_it(cast: None) -> None:
    (changes,) = told("yusuf-demir", "training").alternatives
    assert [(change.sentence, change.who_sentence) for change in changes] == [
        (
            "The account is reactivated at Northfield Academy.",
            "An exams officer of Northfield Academy can do this.",
        ),
        (
            "The role Training: User is given at Northfield Academy.",
            "An exams officer of Northfield Academy can do this.",
        ),
    ]


def test_a_place_that_could_be_anywhere_is_not_named(cast: None) -> None:
    (changes,) = told("helen-frost", "training").alternatives
    assert changes[0].sentence == f"The account is added to the users of {SOME_ORGANISATION}."


def test_somebody_s_own_membership_is_explained(cast: None) -> None:
    said = in_words(explain(of_membership("olivia-marsh", Action.SUSPEND, "olivia-marsh@northfield")))
    assert said.alternatives[0][0].sentence == CHANGE_SENTENCES[Reason.OWN_MEMBERSHIP]


@pytest.mark.slow
def test_no_word_of_the_machine_is_ever_said(cast: None) -> None:
    machine = re.compile(r"[<>_{}]|\b(polar|actor|None|True|False|fact|nil)\b|@|\b[a-z]+-[a-z]+:")
    for person in Person.select():
        for service in Service.select():
            for at in (None, "northfield", "eastgate"):
                said = told(person.public_id, service.slug, at)
                sentences = [
                    said.sentence,
                    *said.facts,
                    *(
                        text
                        for needed in said.alternatives
                        for one in needed
                        for text in (one.sentence, one.who_sentence)
                    ),
                ]
                for sentence in sentences:
                    assert not machine.search(sentence), sentence
                    assert "  " not in sentence
