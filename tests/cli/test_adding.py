"""What the commands that add something write down, whom they mail, and what they refuse."""

from unittest.mock import ANY

import pytest

from app.accounts.models import Person
from app.api.transport.authentication import authenticate
from app.audit.models import Event
from app.kernel.tokens import hash_token
from app.mail.models import Mail
from app.memberships.models import Grant
from app.organisations.models import Organisation
from app.services.models import Client, Role, Service
from app.staff.models import StaffGrant
from app.vocabulary import EventName
from tests.browsing import mails_to
from tests.cli.conftest import CommandLine

HILL_SCHOOL = ("--name", "Hill School", "--centre-number", "90110", "--officer-name", "Ada Hill")
TOM = ("person", "add", "--organisation", "90101", "--name", "Tom Vale", "--email", "tom@example.org")
QUIZZES = ("service", "add", "--slug", "quizzes", "--name", "Quizzes", "--sentence", "Short ones.")
KEY = ("client", "add", "--name", "Nightly", "--service", "training", "--kind", "service")
SUE = ("staff", "add", "--email", "sue@example.org", "--role", "support")


def organisation(*words: str) -> tuple[str, ...]:
    return ("organisation", "add", *HILL_SCHOOL, "--officer-email", "ada@example.org", *words)


def events() -> list[tuple[EventName, str]]:
    assert {event.by for event in Event.select()} <= {"operator"}
    return [(event.name, event.subject) for event in Event.select().order_by(Event.revision)]


def roles_of(name: str) -> set[str]:
    return {grant.role.slug for grant in Grant.select() if grant.membership.person.name == name}


def test_an_organisation_comes_with_an_exams_officer_who_is_invited(tessera: CommandLine, cast: None) -> None:
    told = tessera.tells(*organisation("--time-zone", "Europe/Paris"))
    assert told == {
        "public_id": ANY,
        "centre_number": "90110",
        "name": "Hill School",
        "officer": "ada@example.org",
        "undo": "tessera organisation close 90110",
    }
    added = Organisation.get(Organisation.public_id == told["public_id"])
    assert (added.name, added.centre_number, added.time_zone) == ("Hill School", "90110", "Europe/Paris")
    assert roles_of("Ada Hill") == {"portal:user-management"}
    assert [name for name, _subject in events()] == [
        EventName.ORGANISATION_ADDED,
        EventName.MEMBER_ADDED,
        EventName.INVITATION_SENT,
    ]
    assert len(mails_to("ada@example.org")) == 1


def test_somebody_new_is_invited_with_their_roles(tessera: CommandLine, cast: None) -> None:
    told = tessera.tells(*TOM, "--role", "training:user", "--role", "training:user", "--role", "exam-entries:user")
    tom = Person.get(Person.name == "Tom Vale")
    assert told == {
        "public_id": tom.public_id,
        "membership": ANY,
        "organisation": "northfield",
        "roles": ["training:user", "exam-entries:user"],
        "undo": f"tessera membership remove {tom.public_id} --organisation 90101",
    }
    assert roles_of("Tom Vale") == set(told["roles"])
    assert [name for name, _subject in events()] == [EventName.MEMBER_ADDED, EventName.INVITATION_SENT]
    assert len(mails_to("tom@example.org")) == 1


def test_a_name_with_the_joiners_of_its_script_is_kept(tessera: CommandLine, cast: None) -> None:
    name = "علی\u200cرضا"  # noqa: RUF001  (that is how it is written)
    tessera.does("person", "add", "--organisation", "northfield", "--name", name, "--email", "ali@example.org")
    assert Person.get(Person.name == name).state == "invited"


def test_somebody_known_is_told_and_keeps_their_name(tessera: CommandLine, cast: None) -> None:
    said = tessera.does(
        "person", "add", "--organisation", "westbrook", "--name", "T. R.", "--email", " Thomas.Reed@Example.org"
    )
    assert said.startswith("Added Thomas Reed (thomas-reed) to Westbrook")
    assert [name for name, _subject in events()] == [EventName.MEMBER_ADDED]
    assert len(mails_to("thomas.reed@example.org")) == 1


def test_staff_are_invited_once_and_get_more_roles_later(tessera: CommandLine, database: None) -> None:
    sue = tessera.tells(*SUE, "--name", "Sue Park")
    assert sue == {"public_id": ANY, "role": "support", "state": "invited", "undo": ANY}
    assert len(mails_to("sue@example.org")) == 1
    person = Person.get(Person.public_id == sue["public_id"])
    assert [(grant.person, grant.role) for grant in StaffGrant.select()] == [(person, "support")]
    assert (EventName.STAFF_ROLE_GIVEN, person.reference) in events()
    tessera.does("staff", "add", "--email", "sue@example.org", "--role", "auditor")
    assert {grant.role for grant in StaffGrant.select()} == {"support", "auditor"}
    assert Person.select().count() == 1


def test_a_service_comes_with_its_roles_in_order(tessera: CommandLine, database: None) -> None:
    roles = ("--role", "user=User", "--role", "leader=Team leader: Sees: all.")
    told = tessera.tells(*QUIZZES, "--launch-address", "https://quizzes.example.org", *roles)
    assert told == {"slug": "quizzes", "name": "Quizzes", "roles": ["quizzes:user", "quizzes:leader"], "undo": ANY}
    service = Service.get()
    assert (service.sentence, service.launch_address) == ("Short ones.", "https://quizzes.example.org")
    added = Role.select().where(Role.service == service).order_by(Role.position)
    assert [(role.slug, role.name, role.sentence) for role in added] == [
        ("quizzes:user", "User", ""),
        ("quizzes:leader", "Team leader", "Sees: all."),
    ]
    assert events() == [(EventName.SERVICE_ADDED, "service:quizzes")]


def test_a_key_is_shown_once_and_only_its_hash_is_kept(tessera: CommandLine, cast: None) -> None:
    said = tessera.does(*KEY, "--kind", "role", "--kind", "role")
    key = said.splitlines()[-1]
    assert said.count(key) == 1
    client = Client.get(Client.name == "Nightly")
    assert authenticate(f"Bearer {key}").reference == client.reference
    assert (client.name, client.service.slug, client.kinds) == ("Nightly", "training", ["service", "role"])
    assert events() == [(EventName.CLIENT_ADDED, client.reference)]
    kept = [*Client.select().tuples(), *Event.select(Event.subject, Event.details).tuples()]
    assert key.removeprefix("tessera_") not in str(kept)


def test_a_key_is_told_to_programs_with_what_it_is_for(tessera: CommandLine, cast: None) -> None:
    told = tessera.tells(*KEY)
    client = Client.get(Client.key_hash == hash_token(told["key"]))
    assert told == {
        "public_id": client.public_id,
        "service": "training",
        "kinds": ["service"],
        "undeclared": [],
        "key": ANY,
    }


@pytest.mark.parametrize("kind", ["person", "organisation", "membership", "platform"])
def test_a_kind_that_no_program_asks_about_is_refused(tessera: CommandLine, cast: None, kind: str) -> None:
    before = Client.select().count()
    sentence = f"No program asks about a {kind}: only about service, role, and what the rules declare."
    assert tessera.refuses(*KEY, "--kind", kind) == sentence
    assert Client.select().count() == before


def test_a_kind_that_belongs_to_another_service_is_refused(tessera: CommandLine, cast: None) -> None:
    tessera.does(*KEY, "--kind", "mark_scheme")
    tessera.does(*KEY, "--kind", "mark_scheme")
    clients = Client.select().count()
    other = ("client", "add", "--name", "Other", "--service", "exam-entries", "--kind", "mark_scheme")
    assert tessera.refuses(*other) == "The kind mark_scheme belongs to the service training."
    assert Client.select().count() == clients


REFUSED = {
    "a centre number that is taken": (
        ("organisation", "add", *HILL_SCHOOL[:2], "--centre-number", "90101", *HILL_SCHOOL[4:])
        + ("--officer-email", "ada@example.org"),
        "Centre number 90101 belongs to an organisation already.",
    ),
    "somebody who is there": (
        (*TOM[:-1], "thomas.reed@example.org"),
        "Somebody with this e-mail address is on your list of users already.",
    ),
    "a slug that is taken": (
        ("service", "add", "--slug", "training", *QUIZZES[4:], "--launch-address", "/"),
        "There is a service training already.",
    ),
    "a role twice": (
        (*QUIZZES, "--launch-address", "/", "--role", "a=A", "--role", "a=B"),
        "A service has each of its roles once.",
    ),
    "an unknown organisation": ((*TOM, "--organisation", "99999"), "There is no organisation 99999."),
    "an unknown role": ((*TOM, "--role", "training:king"), "There is no role training:king."),
    "an unknown service": ((*KEY, "--service", "quizzes"), "There is no service quizzes."),
    "new staff without a name": (SUE, "Nobody has this e-mail address yet, so give their name as well."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tessera: CommandLine, cast: None, case: str) -> None:
    words, sentence = REFUSED[case]
    tables = (Client, Event, Grant, Mail, Organisation, Person, Role, Service, StaffGrant)
    before = [table.select().count() for table in tables]
    assert tessera.refuses(*words) == sentence
    assert [table.select().count() for table in tables] == before


MALFORMED = [
    (organisation("--centre-number", "1234"), "'1234' cannot be used. A centre number is five digits."),
    (organisation("--centre-number", "٠١٢٣٤"), "A centre number is five digits."),
    (organisation("--time-zone", "Mars/Base"), "'Mars/Base' is not a time zone such as Europe/London."),
    (organisation("--officer-email", "ada"), "'--officer-email': "),
    (organisation("--name", " "), "'--name': Give one line of text, without hidden characters."),
    (organisation("--name", "Hill\nSchool"), "'--name': Give one line of text, without hidden characters."),
    (organisation("--name", "\u202eloohcs"), "'--name': Give one line of text, without hidden characters."),
    (organisation("--name", "\u200d"), "'--name': Give one line of text, without hidden characters."),
    (organisation("--name", "H" * 201), "'--name': At most 200 characters, please."),
    ((*TOM, "--email", "tom@"), "'--email': "),
    ((*QUIZZES, "--launch-address", "ftp://example.org"), "A launch address starts with https://."),
    ((*QUIZZES, "--launch-address", "/", "--slug", "Big Slug"), "A slug has small letters, digits and hyphens."),
    ((*QUIZZES, "--launch-address", "/", "--role", "user"), "Write a role as teacher=Teacher"),
    ((*QUIZZES, "--launch-address", "/", "--role", "user="), "Write a role as teacher=Teacher"),
    ((*QUIZZES, "--launch-address", "/", "--role", "A B=User"), "A slug has small letters"),
    ((*KEY, "--kind", "Service"), "A type of resource is written in small letters, such as service."),
    ((*SUE, "--role", "king"), "'king' is not one of "),
    (KEY[:-2], "Missing option '--kind'."),
]


@pytest.mark.parametrize(("words", "sentence"), MALFORMED)
def test_what_cannot_be_meant_is_refused_where_it_stands(
    tessera: CommandLine, words: tuple[str, ...], sentence: str
) -> None:
    done = tessera(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert sentence in done.stderr.splitlines()[-1]


def test_a_kind_that_no_rule_declares_is_said_to_be_none(tessera: CommandLine, cast: None) -> None:
    said = tessera.does(*KEY, "--kind", "mark_scheme", "--kind", "spaceship")
    assert said.endswith("No rule declares mark_scheme, spaceship yet, so every answer about that is a no.\n")
