"""What the command line says about itself, and what it says when it cannot begin; `migrate` and `demo`."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from app.accounts.models import Person
from app.cli import main
from app.cli.base import COMMANDS
from app.config import ROOT, SETTINGS, Setting, Settings
from app.organisations.models import Organisation
from tests.browsing import PASSWORD
from tests.cli.conftest import CommandLine
from tests.cli.test_adding import HILL_SCHOOL, KEY, QUIZZES, SUE, TOM

pytestmark = pytest.mark.one_database


def commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from commands(command, *words, name)
            elif command is not None:
                yield (*words, name), command


ALL = dict(commands(main))


def examples(*words: str) -> list[list[str]]:
    """Return what the help of a command shows, as words after `tessera`."""
    epilog = (ALL[words] if words else main).epilog
    assert epilog
    shown = re.findall(r"^  (?:\w+=\S+ |KEY=\$\()*tessera ([^|)\n]+)", epilog, re.MULTILINE)
    return [shlex.split(line) for line in shown]


def test_the_help_lists_every_command_and_shows_how_to_begin(tessera: CommandLine) -> None:
    said = tessera.does("--help")
    assert re.findall(r"^  (\w+)  ", said, re.MULTILINE) == list(COMMANDS)
    assert {words[0] for words in ALL} == set(COMMANDS)
    assert "Examples:\n    tessera migrate\n" in said


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_help_of_a_command_shows_examples_that_it_understands(
    tessera: CommandLine, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tessera.does(*words, "--help")
    assert "\nExamples:\n    " in said.replace("  Examples", "Examples")
    for folder in ("drafts/policies", "packs/mark-schemes"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    shown = examples(*words)
    assert shown
    for example in shown:
        assert tuple(example[: len(words)]) == words
        # Raises what is wrong with an option, and runs nothing.
        ALL[words].make_context(words[-1], example[len(words) :])


def test_what_the_examples_add_fits_together(tessera: CommandLine, database: None) -> None:
    for kind in ("service", "organisation", "person", "staff", "client"):
        for example in examples(kind, "add"):
            tessera.does(*example)
    said = tessera.does(*examples()[-1])
    assert said.startswith("No. The person's account is not active.\n")
    assert "The role Training: User is given at Hill School." in said


def test_a_database_is_brought_up_to_date_once(tessera: CommandLine) -> None:
    assert re.fullmatch(r"(Applied \d{4}_\w+\.\n)+", tessera.does("migrate"))
    assert tessera.does("migrate") == "The database is up to date.\n"


NEED_TABLES = [
    ("organisation", "add", *HILL_SCHOOL, "--officer-email", "ada@example.org"),
    TOM,
    SUE,
    KEY,
    (*QUIZZES, "--launch-address", "/"),
    ("why", "olivia-marsh", "launch", "service:training"),
    ("decision", "k7mq3xw9ab-1042"),
    ("mail",),
]


@pytest.mark.parametrize("words", NEED_TABLES, ids=lambda words: words[0])
def test_what_needs_tables_says_how_to_get_them(tessera: CommandLine, words: tuple[str, ...]) -> None:
    assert tessera.refuses(*words) == "The database is not up to date. Run `tessera migrate` first."


def test_the_cast_moves_into_an_empty_database_only(tessera: CommandLine, database: None) -> None:
    said = tessera.does("demo")
    assert said.startswith("Loaded the cast.\n")
    assert f"Sign in with the password `{PASSWORD}` as\n  olivia.marsh@example.org " in said
    assert "curl http://127.0.0.1:8000/authorize -H 'Authorization: Bearer demo-key-" in said
    count = Person.select().count()
    assert tessera.does("demo").startswith("The database is not empty, so the cast stays out.\n")
    assert Person.select().count() == count


def test_the_cast_stays_out_of_a_database_with_anything_in_it(tessera: CommandLine, database: None) -> None:
    tessera.does(*SUE, "--name", "Sue Park")
    assert tessera.does("demo") == "The database is not empty, so the cast stays out.\n"
    assert [person.name for person in Person.select()] == ["Sue Park"]


def test_a_crowd_comes_on_top_of_the_cast(tessera: CommandLine, cast: None) -> None:
    people, organisations = Person.select().count(), Organisation.select().count()
    done = tessera("demo", "--people", "60", "--organisations", "3")
    assert done.exit_code == 0
    assert "Added 60 people at 3 organisations.\n" in done.stdout
    assert (Person.select().count(), Organisation.select().count()) == (people + 60, organisations + 3)


def test_the_cast_is_for_development_only(tessera: CommandLine, database: None) -> None:
    env = {"DEVELOPMENT": "", "PUBLIC_URL": "https://portal.example.org"}
    assert tessera.refuses("demo", env=env) == (
        "Everybody knows the cast's password, so it comes in with DEVELOPMENT=1 only."
    )
    assert not Person.select().exists()


BAD = [
    ("DATABASE_URL", "nonsense", "DATABASE_URL must start with sqlite:/// or postgresql://, not nothing://."),
    ("DATABASE_URL", "mysql://db/x", "DATABASE_URL must start with sqlite:/// or postgresql://, not mysql://."),
    ("DATABASE_URL", "postgresql://db:x/y", "DATABASE_URL is not an address: look at its host and port."),
    ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "DATABASE_URL says where it is."),
    ("DATABASE_URL", "postgresql://nobody:50%@127.0.0.1:1/none", "In its password, write % as %25, @ as %40,"),
    ("DATABASE_URL", f"sqlite:///{__file__}/tessera.db", f"{__file__}: File exists."),
    ("DATA_DIR", __file__, f"DATA_DIR {__file__} cannot be used: File exists."),
    ("PORT", "abc", "PORT must be a whole number from 1 to 65535, not 'abc'."),
    ("PORT", "65536", "PORT must be a whole number from 1 to 65535, not '65536'."),
    ("DEVELOPMENT", "yes", "DEVELOPMENT must be 0 or 1, not 'yes'."),
    ("DEVELOPMENT", "0", "PUBLIC_URL must start with https:// outside development; DEVELOPMENT=1 allows http."),
    ("PUBLIC_URL", "portal", "PUBLIC_URL must look like https://portal.example.org, with nothing after the host."),
    ("SMTP_URL", "mail:25", "SMTP_URL must look like smtp://user:password@host:587 or smtps://"),
    ("MAIL_FROM", "nobody", "MAIL_FROM must look like Tessera <no-reply@example.org>."),
    ("SECRET_KEY", "short", "SECRET_KEY is too short: give at least 16 characters, or leave it out."),
    ("RATE_LIMIT", "49", "a batch may have 100. Give at least 50, or 0 for no limit."),
    ("POLICIES_DIR", "/nowhere", "POLICIES_DIR names /nowhere, which is not a folder."),
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_setting_that_cannot_be_used_is_named(tessera: CommandLine, name: str, value: str, sentence: str) -> None:
    assert sentence in tessera.refuses("migrate", env={name: value})


def test_a_file_that_is_no_database_is_left_as_it_is(tessera: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "letter"
    file.write_text("Dear reader,")
    said = tessera.refuses("migrate", env={"DATABASE_URL": f"sqlite:///{file}"})
    assert said.endswith("file is not a database. DATABASE_URL says where it is.")
    assert file.read_text() == "Dear reader,"


def test_a_rate_limit_lets_the_largest_batch_through(tessera: CommandLine, database: None) -> None:
    assert "a batch may have 203. Give at least 102," in tessera.refuses(
        "migrate", env={"RATE_LIMIT": "101", "BATCH_LIMIT": "203"}
    )
    for limit in ("102", "0"):
        assert tessera("migrate", env={"RATE_LIMIT": limit, "BATCH_LIMIT": "203"}).exit_code == 0


def test_a_word_that_is_no_command_is_refused(tessera: CommandLine) -> None:
    done = tessera("nonsense")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, "Error: No such command 'nonsense'.")


def test_every_setting_is_shown_with_its_value_and_source(
    tessera: CommandLine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("MAIL_FROM", "")
    shown = {one["name"]: (one["value"], one["source"]) for one in tessera.tells("settings")["settings"]}
    assert list(shown) == [one.name for one in SETTINGS]
    assert shown["DEVELOPMENT"] == (True, "environment")
    assert shown["PORT"] == (8123, "environment")
    assert shown["PUBLIC_URL"] == ("http://127.0.0.1:8123", "default")
    assert shown["DATA_DIR"] == (str(settings.data_dir), "environment")
    assert shown["PACK_DIR"] == (None, "default")
    assert shown["MAIL_FROM"] == ("Tessera <no-reply@example.org>", "default")
    assert shown["DECISION_LOG"] == ("required", "default")
    lines = tessera.does("settings").splitlines()
    assert len(lines) == len(SETTINGS)
    assert "PORT                     environment  8123" in lines
    assert "DECISION_LOG_FACTS       default      1" in lines
    assert "PACK_DIR                 default" in lines


def test_settings_that_cannot_be_used_are_not_shown(tessera: CommandLine) -> None:
    assert tessera.refuses("settings", env={"PORT": "abc"}) == "PORT must be a whole number from 1 to 65535, not 'abc'."


SECRETS = [
    ("SECRET_KEY", "hush-hush-hush-hush", "***"),
    ("DATABASE_URL", "postgresql://tessera:hush@db:5432/tessera", "postgresql://tessera:***@db:5432/tessera"),
    ("DATABASE_URL", "postgresql://tessera:hush@hush@db/tessera", "postgresql://tessera:***@db/tessera"),
    ("DATABASE_URL", "postgresql://tessera:1/hush@db/tessera", "postgresql://tessera:***@db/tessera"),
    ("DATABASE_URL", "postgresql://db/x?sslpassword=hush&hush", "postgresql://db/x?sslpassword=***"),
    ("DATABASE_URL", "postgresql://db/x?user=y&PASSWORD=hush", "postgresql://db/x?user=y&PASSWORD=***"),
    ("DATABASE_URL", "postgresql://tessera@db/tessera", "postgresql://tessera@db/tessera"),
    ("SMTP_URL", "smtps://portal:hush@mail.example.org", "smtps://portal:***@mail.example.org"),
    ("SMTP_URL", "smtp://:hush@mail.example.org:587", "smtp://:***@mail.example.org:587"),
]


@pytest.mark.parametrize(("name", "value", "shown"), SECRETS)
def test_secrets_are_masked(
    tessera: CommandLine, name: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    values = {one["name"]: one["value"] for one in tessera.tells("settings")["settings"]}
    assert values[name] == shown
    assert "hush" not in tessera.does("settings")


def test_the_page_of_settings_is_that_of_their_declarations(tessera: CommandLine) -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == tessera.does("settings", "--markdown"), "run `make docs`"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_described_in_sentences(setting: Setting) -> None:
    assert re.fullmatch(r"([A-Z0-9][^|\n]+\.)", setting.description)


def test_settings_that_cannot_be_used_are_printed_before_it_is_said_why(tessera: CommandLine) -> None:
    done = tessera("settings", env={"PUBLIC_URL": "http://portal.example.org", "DEVELOPMENT": ""})
    assert done.exit_code == 1
    assert "PUBLIC_URL" in done.stdout
    assert done.stderr.startswith("Error: PUBLIC_URL must start with https://")


def test_a_secret_may_be_in_a_file(tessera: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "smtp"
    path.write_text("smtps://user:secret@mail.example.org\n")
    monkeypatch.setenv("SMTP_URL_FILE", str(path))
    [shown] = [one for one in tessera.tells("settings")["settings"] if one["name"] == "SMTP_URL"]
    assert (shown["value"], shown["source"]) == ("smtps://user:***@mail.example.org", "file")
    assert "both set" in tessera.refuses("migrate", env={"SMTP_URL": "smtp://localhost"})
    path.unlink()
    assert "cannot be read" in tessera.refuses("migrate")
