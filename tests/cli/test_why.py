"""`tessera why`: an answer with everything behind it, in words and for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT
from app.kernel.database import changing
from app.records.operations import put_record
from app.vocabulary import PERMISSIONS
from tests.cli.conftest import CommandLine

# Each question is a process of its own.
pytestmark = [pytest.mark.slow, pytest.mark.one_database]


class Command:
    """`tessera` on the test's own database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.environment = os.environ | {"DATABASE_URL": url, "DATA_DIR": str(folder), "DEVELOPMENT": "1"}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "app.cli", "why", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False, text=True)


@pytest.fixture
def why(cast: None, database_url: str, tmp_path: Path) -> Command:
    """`tessera why` about the cast."""
    return Command(database_url, tmp_path)


def test_a_no_is_told_with_what_was_looked_at_and_what_would_help(why: Command) -> None:
    told = why("iris.bell@example.org", "launch", "service:submit-for-assessment", "--at", "90101")
    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[0] == "No. The last day of the person's role is over."
    assert "What was looked at:" in lines
    assert "  The account is active." in lines
    at = lines.index("Any one of these would make it a yes:")
    officers = "An exams officer of Northfield Academy can do this."
    role = "Submit for assessment: Exams officer at Northfield Academy"
    assert lines[at + 1 :] == [
        f"  - The role {role} gets a later last day, or none. {officers}",
        f"  - The role Submit for assessment: Teacher is given at Northfield Academy. {officers}",
    ]


def test_changes_that_are_needed_together_are_told_together(why: Command) -> None:
    lines = why("yusuf-demir", "launch", "service:training").stdout.splitlines()
    at = lines.index("What would make it a yes:")
    assert lines[at + 1].startswith("  - The account is reactivated at Northfield Academy.")
    assert lines[at + 2].startswith("   and: The role Training: User is given at Northfield Academy.")


def test_a_staff_role_is_told_with_who_can_give_it(tessera: CommandLine, cast: None) -> None:
    lines = tessera.does("why", "olivia-marsh", "read_decisions", "platform").splitlines()
    assert lines[0] == "No. The person has not been given a role that allows this."
    operator = "Only whoever runs the portal can do this, at the command line."
    assert lines[lines.index("Any one of these would make it a yes:") + 1 :] == [
        f"  - The account becomes one of the support staff. {operator}",
        f"  - The account becomes one of the staff who check what was decided. {operator}",
    ]


def test_where_another_user_would_have_to_stand_is_told(tessera: CommandLine, cast: None) -> None:
    asked = ("why", "olivia-marsh", "reactivate", "membership:thomas-reed@northfield")
    lines = tessera.does(*asked).splitlines()
    assert lines[0] == "No. The policy does not allow this."
    (change,) = lines[lines.index("What would make it a yes:") + 1 :]
    assert change == (
        "  - The user whom this is about is suspended at Northfield Academy. "
        "An exams officer of Northfield Academy can do this."
    )
    [[needed]] = json.loads(tessera.does(*asked, "--json"))["needed"]
    assert (needed["change"], needed["state"], needed["who"]) == ("not_allowed", "suspended", "exams_officers")


def test_a_yes_is_told_with_the_rules_and_their_places(why: Command) -> None:
    lines = why("olivia-marsh", "list_people", "organisation:90101").stdout.splitlines()
    assert lines[0] == "Yes. The policy allows this."
    assert "Because:" in lines
    rules = lines[lines.index("Rules:") + 1 :]
    for line in rules:
        place, name = line.split()
        file, number = place.split(":")
        assert name in (ROOT / "policies" / file).read_text().splitlines()[int(number) - 1]
    assert [line.split(":")[0].strip() for line in rules[:2]] == ["main.polar", "main.polar"]


def test_a_no_is_told_to_programs(why: Command) -> None:
    told = json.loads(why("yusuf-demir", "launch", "service:training", "--json").stdout)
    policy, looked_at = told.pop("policy"), told.pop("looked_at")
    assert len(policy) == 12
    assert "The account is active." in looked_at
    assert told == {
        "allowed": False,
        "reason": "membership_not_active",
        "sentence": "The person's place at the organisation is not active.",
        "rules": [],
        "needed": [
            [
                {
                    "change": "membership_not_active",
                    "organisation": "northfield",
                    "role": None,
                    "state": None,
                    "who": "exams_officers",
                    "sentence": "The account is reactivated at Northfield Academy.",
                },
                {
                    "change": "role_missing",
                    "organisation": "northfield",
                    "role": "training:user",
                    "state": None,
                    "who": "exams_officers",
                    "sentence": "The role Training: User is given at Northfield Academy.",
                },
            ]
        ],
    }


def test_what_cannot_be_asked_is_refused_in_a_sentence(why: Command) -> None:
    told = why("olivia-marsh", "fly", "service:training")
    assert told.returncode == 1
    assert told.stderr == "Error: Nobody can fly a service. What can be asked: change, change_state, launch, read.\n"


CASES = {
    ("nobody", "launch", "service:training"): "There is no person nobody.",
    ("olivia-marsh", "launch", "service:quizzes"): "There is no service quizzes.",
    ("olivia-marsh", "give", "role:training:king"): "There is no role training:king.",
    ("olivia-marsh", "read", "organisation:99999"): "There is no organisation 99999.",
    ("olivia-marsh", "change_roles", "membership:none"): "There is no membership none.",
    ("olivia-marsh", "launch", "service:training", "--at", "99999"): "There is no organisation 99999.",
    ("olivia-marsh", "fly", "portal"): "Nobody can fly a portal. What can be asked: ",
    ("olivia-marsh", "read", "book:training"): (
        "book is not a type of resource. There are: service, role, organisation, membership, person, portal, platform."
    ),
}


def test_a_kind_of_thing_that_only_the_rules_declare_can_be_asked_about(
    tessera: CommandLine, cast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_DIR", str(ROOT / "tests" / "packs" / "authzen"))
    with changing():
        put_record("record", "seven", {"status": "archived"}, by="operator")
        put_record("record", "eight", {}, by="operator")
    assert "Its status is “archived”." in tessera.does("why", "thomas-reed", "write", "record:seven")
    assert "No status was provided." in tessera.does("why", "thomas-reed", "write", "record:eight")
    assert tessera.tells("why", "thomas-reed", "read", "record:seven")["allowed"] is True
    assert tessera.refuses("why", "thomas-reed", "read", "record:nine") == "There is no record nine."
    assert tessera.refuses("why", "thomas-reed", "fly", "record:seven") == (
        "Nobody can fly a record. What can be asked: delete, read, write."
    )


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_what_is_not_known_is_named(tessera: CommandLine, cast: None, words: tuple[str, ...]) -> None:
    assert tessera.refuses("why", *words).startswith(CASES[words])


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("service:training", "Service"),
        ("role:training:user", "Role"),
        ("organisation:northfield", "Organisation"),
        ("membership:thomas-reed@northfield", "Membership"),
        ("person:thomas-reed", "Person"),
        ("person:thomas.reed@example.org", "Person"),
        ("portal", "Portal"),
        ("platform", "Platform"),
    ],
)
def test_everything_can_be_asked_about(tessera: CommandLine, cast: None, resource: str, kind: str) -> None:
    for action in PERMISSIONS[kind]:
        assert tessera.does("why", "olivia-marsh", action, resource).startswith(("Yes. ", "No. "))
