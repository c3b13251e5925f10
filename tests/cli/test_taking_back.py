"""What an operator takes back: at once, in the words of one event, and undone by the command that it names."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app.accounts.activation import invite
from app.accounts.models import Invitation, PasswordReset, Person, Session
from app.accounts.operations import ask_password_reset
from app.audit.models import Event
from app.audit.queries import revision
from app.authz.decision_point import decide
from app.authz.information import directory
from app.config import ROOT
from app.mail.models import Mail
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.organisations.queries import organisation_named
from app.services.models import Client, Role, Service
from app.services.queries import role_ever_with_slug, service_with_slug
from app.staff.models import StaffGrant
from app.vocabulary import Action, EventName
from tests.browsing import Browser, mails_to
from tests.cli.conftest import CommandLine
from tests.waiting import until

KEY = "demo-key-submit-for-assessment"
AT_NORTHFIELD = ("--organisation", "90101")
TEACHER = "submit-for-assessment:teacher"

Asks = Callable[..., bool]


@pytest.fixture
def launches(app: Flask) -> Asks:
    """Ask as a service does, over HTTP, whether Thomas may open what he teaches with."""
    client = app.test_client()

    def launches(person: str = "thomas-reed", service: str = "submit-for-assessment") -> bool:
        asked = client.post(
            "/authorize",
            json={
                "subject": {"type": "person", "id": person},
                "action": {"name": "launch"},
                "resource": {"type": "service", "id": service},
            },
            # Without this, PostgreSQL announces a change within milliseconds, but not before the command ends.
            headers={"Authorization": f"Bearer {KEY}", "Tessera-At-Least": str(revision())},
        )
        assert asked.status_code == 200, asked.text
        return bool(asked.json["decision"])  # type: ignore[index]

    return launches


def newest() -> tuple[EventName, str, str]:
    event = Event.select().order_by(Event.revision.desc()).get()
    return event.name, event.by, event.subject


TAKEN_BACK = {
    "person suspend thomas.reed@example.org": (EventName.PERSON_SUSPENDED, "person:thomas-reed"),
    "person close thomas-reed --reason Retired.": (EventName.PERSON_CLOSED, "person:thomas-reed"),
    "organisation suspend 90101": (EventName.ORGANISATION_SUSPENDED, "organisation:northfield"),
    "organisation close northfield": (EventName.ORGANISATION_CLOSED, "organisation:northfield"),
    "service hide submit-for-assessment": (EventName.SERVICE_HIDDEN, "service:submit-for-assessment"),
    "service retire submit-for-assessment": (EventName.SERVICE_RETIRED, "service:submit-for-assessment"),
    f"role retire {TEACHER}": (EventName.ROLE_RETIRED, f"role:{TEACHER}"),
    f"membership take thomas-reed {TEACHER} --organisation 90101": (
        EventName.ROLES_CHANGED,
        "membership:thomas-reed@northfield",
    ),
    "membership suspend thomas-reed --organisation 90101": (
        EventName.MEMBER_SUSPENDED,
        "membership:thomas-reed@northfield",
    ),
    "membership remove thomas-reed --organisation 90101": (
        EventName.MEMBER_REMOVED,
        "membership:thomas-reed@northfield",
    ),
}


@pytest.mark.parametrize("command", TAKEN_BACK)
def test_what_is_taken_back_opens_nothing_at_once_until_it_is_undone(
    tessera: CommandLine, launches: Asks, command: str
) -> None:
    assert launches()
    before = Event.select().count()
    done = tessera.tells(*shlex.split(command))
    assert not launches()
    name, subject = TAKEN_BACK[command]
    assert (newest(), Event.select().count()) == ((name, "operator", subject), before + 1)
    tessera.does(*shlex.split(done["undo"])[1:])
    assert launches()


def test_an_undo_that_is_said_leads_to_what_was_before(tessera: CommandLine, cast: None) -> None:
    def state() -> str:
        return str(Person.get(Person.public_id == "thomas-reed").state)

    for command, then in (("suspend", "suspended"), ("close", "closed")):
        before = state()
        done = tessera.does("person", command, "thomas-reed")
        assert state() == then
        for undo in done.splitlines()[-1].removeprefix("To take this back: ").split(" && "):
            tessera.does(*shlex.split(undo)[1:])
        assert state() == before
        tessera.does("person", command, "thomas-reed")


def test_taking_back_days_gives_the_days_that_were(tessera: CommandLine, cast: None) -> None:
    given = ("membership", "give", "thomas-reed", TEACHER, *AT_NORTHFIELD)
    tessera.does(*given, "--first-day", "2026-01-01", "--last-day", "2099-12-31")
    undo = tessera.tells(*given)["undo"]
    days = "--first-day 2026-01-01 --last-day 2099-12-31"
    assert undo == f"tessera membership give thomas-reed {TEACHER} --organisation 90101 {days}"
    assert tessera.refuses(*given, "--first-day", "2026-02-01", "--last-day", "2026-01-01") == (
        "The last day is before the first."
    )


def test_an_ended_key_and_a_replaced_one_open_nothing(tessera: CommandLine, app: Flask) -> None:
    def status(key: str) -> int:
        return app.test_client().post("/authorize", json={}, headers={"Authorization": f"Bearer {key}"}).status_code

    assert status(KEY) == 400
    key = tessera.tells("client", "rotate", "submit-for-assessment")["key"]
    # PostgreSQL announces it within milliseconds, but not before the command ends.
    until(lambda: status(KEY) == 401)
    assert status(key) == 400
    assert newest() == (EventName.CLIENT_KEY_ROTATED, "operator", "client:submit-for-assessment")
    tessera.does("client", "end", "submit-for-assessment")
    until(lambda: status(key) == 401)
    assert newest() == (EventName.CLIENT_ENDED, "operator", "client:submit-for-assessment")
    assert tessera.refuses("client", "end", "submit-for-assessment").endswith("has ended already.")
    assert tessera.refuses("client", "rotate", "submit-for-assessment").endswith("has ended: add another one.")
    listed = {row["public_id"]: row["ended_at"] for row in tessera.tells("client", "list")["found"]}
    assert listed["submit-for-assessment"]
    assert not listed["access-to-scripts"]


def test_whoever_is_suspended_is_signed_out_for_good(tessera: CommandLine, browser: Browser) -> None:
    browser.signed_in_as("thomas-reed")
    ask_password_reset("thomas.reed@example.org")
    assert browser.get("/").address == "/"
    tessera.does("person", "suspend", "thomas-reed")
    tessera.does("person", "reactivate", "thomas-reed")
    assert browser.get("/").address.startswith("/sign-in")
    assert not PasswordReset.select().where(PasswordReset.used_at.is_null()).exists()
    browser.signed_in_as("thomas-reed")
    assert tessera.tells("person", "sign-out", "thomas-reed") == {"public_id": "thomas-reed", "sessions": 1}
    assert browser.get("/").address.startswith("/sign-in")
    assert not Session.select().where(Session.ended_at.is_null()).exists()


def test_a_closed_account_cannot_be_activated_and_waits_again_once_it_is_back(tessera: CommandLine, cast: None) -> None:
    ben = Person.get(Person.public_id == "ben-castle")
    invite(ben, Organisation.get(Organisation.public_id == "northfield"), by=None)
    tessera.does("person", "close", "ben-castle")
    assert not Invitation.select().where(Invitation.person == ben, Invitation.cancelled_at.is_null()).exists()
    tessera.does("person", "reactivate", "ben-castle")
    assert Person.get_by_id(ben.id).state == "invited"
    mails = len(mails_to("ben.castle@example.org"))
    tessera.does("membership", "resend", "ben-castle", *AT_NORTHFIELD)
    assert len(mails_to("ben.castle@example.org")) == mails + 1


def test_a_staff_role_is_taken(tessera: CommandLine, app: Flask) -> None:
    def lists() -> bool:
        sam = directory.person_named("sam-porter")
        assert sam
        return decide(sam, Action.LIST_ORGANISATIONS, directory.PLATFORM).allowed

    with app.app_context():
        assert lists()
        undo = tessera.tells("staff", "remove", "sam-porter", "--role", "support")["undo"]
        assert not lists()
        assert newest() == (EventName.STAFF_ROLE_TAKEN, "operator", "person:sam-porter")
        assert "sam-porter" not in str(tessera.tells("staff", "list"))
        tessera.does(*shlex.split(undo)[1:])
        assert lists()
    assert tessera.refuses("staff", "remove", "sam-porter", "--role", "auditor") == "Sam Porter is not auditor staff."


def test_a_school_without_an_exams_officer_is_mended(tessera: CommandLine, app: Flask) -> None:
    def manages(name: str) -> bool:
        person, westbrook = directory.person_named(name), directory.organisation_named("westbrook")
        assert person
        assert westbrook
        return decide(person, Action.LIST_PEOPLE, westbrook).allowed

    with app.app_context():
        for name in ("amara-lewis", "priya-nair"):
            tessera.does("membership", "take", name, "portal:user-management", "--organisation", "90102")
            assert not manages(name)
        tessera.does("membership", "give", "priya-nair", "portal:user-management", "--organisation", "90102")
        assert manages("priya-nair")


def test_names_numbers_and_words_are_put_right(tessera: CommandLine, cast: None) -> None:
    changes = [
        ("person", "rename", "thomas-reed", "Tom Reed"),
        ("organisation", "rename", "90101", "Northfield College"),
        ("organisation", "renumber", "northfield", "90199"),
        ("service", "change", "training", "--name", "Practice", "--launch-address", "https://new.example.org"),
        ("role", "change", "training:user", "--by-board", "--name", "Learner"),
    ]
    before = rows()
    undos = [tessera.tells(*words)["undo"] for words in changes]
    assert Person.get(Person.public_id == "thomas-reed").name == "Tom Reed"
    northfield = organisation_named("90199")
    assert (northfield and northfield.name) == "Northfield College"
    training, learner = service_with_slug("training"), role_ever_with_slug("training:user")
    assert training
    assert (training.name, training.launch_address) == ("Practice", "https://new.example.org")
    assert learner
    assert (learner.name, learner.officers_may_give) == ("Learner", False)
    for undo in undos:
        tessera.does(*shlex.split(undo)[1:])
    assert rows() == before
    assert tessera.refuses("organisation", "renumber", "90101", "90102") == (
        "Centre number 90102 belongs to an organisation already."
    )
    assert tessera.refuses("service", "change", "training") == "Say what is to be changed."


def rows() -> list[object]:
    """Return what the commands of the test before change."""
    return [list(model.select().order_by(model.id).tuples()) for model in (Person, Organisation, Service, Role)]


def test_a_role_is_added_and_a_retired_one_keeps_its_name(tessera: CommandLine, cast: None) -> None:
    tessera.does("role", "add", "training", "leader=Team leader: Sees a team.")
    tessera.does("role", "retire", "training:leader")
    assert tessera.refuses("role", "add", "training", "leader=Leader").endswith(
        "`tessera role restore` brings it back."
    )
    assert tessera.refuses("role", "retire", "training:leader") == "The role training:leader is retired already."
    assert tessera.refuses("role", "retire", "portal:user-management") == (
        "A role of the portal itself cannot be retired."
    )
    assert tessera.refuses("membership", "give", "thomas-reed", "training:leader", *AT_NORTHFIELD) == (
        "There is no role training:leader."
    )
    retired = {row["slug"] for row in tessera.tells("role", "list")["found"] if row["retired_at"]}
    assert retired == {"training:leader"}


def test_people_and_organisations_are_found_with_what_they_hold(tessera: CommandLine, cast: None) -> None:
    [amara] = tessera.tells("person", "find", "lewis", "amara")["found"]
    assert (amara["public_id"], amara["addresses"]) == ("amara-lewis", ["amara.lewis@example.org"])
    assert [place["organisation"] for place in amara["memberships"]] == ["northfield", "westbrook"]
    assert tessera.tells("person", "find", "amara-lewis")["found"] == [amara]
    assert [row["public_id"] for row in tessera.tells("organisation", "find", "90102")["found"]] == ["westbrook"]
    assert tessera.does("person", "find", "nobody at all") == "There is none.\n"


def test_a_merge_asks_before_it_does_what_cannot_be_undone(tessera: CommandLine, cast: None) -> None:
    done = tessera("organisation", "merge", "90102", "90101")
    assert (done.exit_code, Event.select().count()) == (1, 0)
    moved = tessera.tells("organisation", "merge", "90102", "90101", "--yes")
    assert (moved["public_id"], moved["into"]) == ("westbrook", "northfield")
    assert newest() == (EventName.ORGANISATION_MERGED, "operator", "organisation:westbrook")


CHANGES = [
    "client add --name X --service training --kind service",
    "client end access-to-scripts",
    "client rotate access-to-scripts",
    "membership give thomas-reed exam-entries:user --organisation 90101",
    f"membership take thomas-reed {TEACHER} --organisation 90101",
    "membership suspend thomas-reed --organisation 90101",
    "membership reactivate yusuf-demir --organisation 90101",
    "membership remove thomas-reed --organisation 90101",
    "membership resend ben-castle --organisation 90101",
    "organisation add --name H --centre-number 90110 --officer-name A --officer-email a@example.org",
    "organisation suspend 90101",
    "organisation close 90101",
    "organisation reopen 90103",
    "organisation rename 90101 N",
    "organisation renumber 90101 90199",
    "organisation merge 90101 90102 --yes",
    "person add --organisation 90101 --name T --email t@example.org",
    "person suspend thomas-reed",
    "person reactivate grace-holt",
    "person close thomas-reed",
    "person sign-out thomas-reed",
    "person rename thomas-reed T",
    "role add training leader=L",
    "role change training:user --name L",
    "role retire training:user",
    "service add --slug q --name Q --sentence S --launch-address /",
    "service open online-moderation",
    "service hide training",
    "service retire training",
    "service change training --name T",
    "staff add --name S --email s@example.org --role support",
    "staff remove sam-porter --role support",
]


@pytest.mark.one_database
def test_a_policy_that_lets_the_operator_do_nothing_is_obeyed(
    tessera: CommandLine, cast: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    rule = "allow(operator: Operator, action, resource, context: Context) if"
    for file in (ROOT / "policies").glob("*.polar"):
        text = file.read_text()
        (folder / file.name).write_text(text.replace(rule, f"{rule}\n  operator != operator and"))
    monkeypatch.setenv("POLICIES_DIR", str(folder))
    tables = (Client, Event, Grant, Mail, Membership, Organisation, Person, Role, Service, StaffGrant)
    before = [list(table.select().tuples()) for table in tables]
    for command in CHANGES:
        assert "so nothing was done." in tessera.refuses(*shlex.split(command)), command
    assert [list(table.select().tuples()) for table in tables] == before
