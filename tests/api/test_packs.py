"""Packs: more rules and what they are about, without a line of Python; wrong ones are refused with rule and place."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import config
from app.accounts.models import EmailAddress, Person
from app.authz.lint.findings import PolicyRejectedError, RuleId
from app.authz.lint.verify import verify_settings
from app.cli import main
from app.config import ROOT, SettingError, Settings
from app.records.models import Record
from app.seeding.loader import is_empty, load_pack
from app.services.models import Client, Service
from tests.conftest import ON_POSTGRESQL
from tests.running import pack_findings

# Many take a process of their own.
pytestmark = pytest.mark.slow

BASE = ROOT / "policies"
SHIPPED = ROOT / "tests" / "packs" / "authzen"

Check = Callable[[], Result]
Report = Callable[[], str]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of a good pack to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "pack"))


@pytest.fixture
def check(pack: Path) -> Check:
    return lambda: CliRunner().invoke(main, ["policy", "check", "--pack", str(pack)])


@pytest.fixture
def report(pack: Path) -> Report:
    """What a check of the pack finds, as it is printed."""

    def report() -> str:
        findings = pack_findings(BASE, pack)
        return "".join(f"{finding.as_text(BASE, pack)}\n" for finding in findings)

    return report


def test_a_good_pack_has_nothing_against_it(check: Check, pack: Path) -> None:
    assert (check().exit_code, check().output) == (0, f"{pack}: nothing found.\n")


def test_a_pack_may_leave_out_whatever_it_does_not_need(report: Report, pack: Path) -> None:
    for path in pack.glob("fixtures/*.toml"):
        path.unlink()
    # There is nothing for a table to mention, but there has to be one.
    (pack / "policies" / "record_test.toml").write_text("# Nothing yet.\n")
    assert report() == ""
    shutil.rmtree(pack / "fixtures")
    assert report() == ""


@pytest.mark.parametrize("name", ["policy", "rules.polar", "fixture"])
def test_what_lies_beside_the_two_folders_of_a_pack_is_found(report: Report, pack: Path, name: str) -> None:
    (pack / name).mkdir()
    assert f"{name}:0:0: unread-file: This is not read; a pack has its rules in policies/" in report()


def test_a_pack_without_a_table_is_asked_for_one(report: Report, pack: Path) -> None:
    table = pack / "policies" / "record_test.toml"
    table.unlink()
    assert report() == f"{table}:0:0: missing-table: Record has no decision table.\n"


def test_a_pack_may_have_all_that_the_cast_has(report: Report, pack: Path) -> None:
    clients = pack / "fixtures" / "clients.toml"
    clients.write_text(clients.read_text().replace('["record"]', '["record", "service", "role"]'))
    (pack / "fixtures" / "organisations.toml").write_text(
        '[[organisation]]\nid = "hill"\ncentre_number = "90110"\nname = "Hill School"\n'
    )
    with (pack / "fixtures" / "people.toml").open("a") as file:
        file.write('[[person.membership]]\norganisation = "hill"\nroles = ["portal:user-management"]\n')
    assert report() == ""


def test_a_pack_may_lay_its_rules_out_as_it_likes(report: Report, pack: Path) -> None:
    (pack / "policies" / "record.polar").rename(pack / "policies" / "everything.polar")
    with (pack / "policies" / "everything.polar").open("a") as file:
        file.write(
            'resource MarkScheme { permissions = ["read"]; }\n'
            'has_permission(person: Person, "read", _scheme: MarkScheme) if person.state = "active";\n'
        )
    (pack / "policies" / "helpers.polar").write_text("# Nothing yet.\n")
    (pack / "policies" / "mark_scheme_test.toml").write_text("# Nothing yet.\n")
    assert report() == ""


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("action = { soft = true }", "record-1 with action soft = true"),
        ('properties = { status = "archived" }', 'record-1 with properties status = "archived"'),
        ('request = { a = "b" }\nsubject = { role = "admin" }', "record-1 with request"),
        ("action = 7", "action is a table of properties."),
        ("context = {}", "Unknown key context."),
    ],
)
def test_a_table_can_say_what_a_question_says(report: Report, pack: Path, said: str, message: str) -> None:
    with (pack / "policies" / "record_test.toml").open("a") as file:
        file.write(f'\n[[thing]]\nid = "record-1"\n{said}\n[thing.allowed]\nbob = ["delete", "read", "write"]\n')
    assert message in report()


BOTH_RECORDS = (SHIPPED / "fixtures" / "records.toml").read_text()
BOB = 'id = "bob"\n'
ROLE = '{ slug = "marker", name = "Marker", sentence = "Marks." }'

# The file, a mistake in it, the rule that it breaks, and how the loader of the fixtures begins its sentence.
WRONG = [
    ("policies/record.polar", '"read" if "reader"', '"read" if "raeder"', RuleId.UNDECLARED_NAME, ""),
    (
        "policies/record.polar",
        "record.properties.status",
        "record.status",
        RuleId.UNKNOWN_FIELD,
        "",
    ),
    ("policies/record.polar", "resource Record {", "resource Record [", RuleId.POLAR_SYNTAX, ""),
    ("policies/record.polar", "has_role(", "has_rol(", RuleId.UNUSED_RULE, ""),
    (
        "policies/record_test.toml",
        'bob = ["read"]',
        "bob = []",
        RuleId.TABLE_DIFFERS,
        "",
    ),
    ("policies/record_test.toml", "record-2", "record-3", RuleId.UNKNOWN_CAST_NAME, ""),
    (
        "fixtures/people.toml",
        'id = "bob"\n',
        'id = "bob"\nnick = "B"\n',
        RuleId.INVALID_FIXTURE,
        "bob: nick: Unknown field.",
    ),
    (
        "fixtures/people.toml",
        'id = "bob"\n',
        'id = "bo b"\n',
        RuleId.INVALID_FIXTURE,
        "bo b: id: An id has 1 to 255 characters, without @.",
    ),
    ("fixtures/people.toml", 'id = "bob"', 'id = "alice"', RuleId.INVALID_FIXTURE, "alice: alice appears twice."),
    (
        "fixtures/people.toml",
        'role = "admin"',
        "since = 2026-11-24",
        RuleId.INVALID_FIXTURE,
        "bob: properties: JSON has no such value.",
    ),
    ("fixtures/people.toml", "[[person]]", "[[person", RuleId.TOML_SYNTAX, ""),
    ("fixtures/people.toml", "[[person]]", "[[people]]", RuleId.INVALID_FIXTURE, "Unknown key people."),
    ("fixtures/records.toml", 'type = "record"', 'type = "recrod"', RuleId.UNKNOWN_TYPE, ""),
    (
        "fixtures/records.toml",
        'type = "record"',
        'type = "Record"',
        RuleId.INVALID_FIXTURE,
        "record-1: type: A kind MarkScheme is written mark_",
    ),
    (
        "fixtures/records.toml",
        'id = "record-2"',
        'id = "record-1"',
        RuleId.INVALID_FIXTURE,
        "record-1: record record-1 appears twice.",
    ),
    ("fixtures/clients.toml", '"record"', '"recrod"', RuleId.UNKNOWN_TYPE, ""),
    (
        "fixtures/clients.toml",
        'service = "certification"',
        'service = "none"',
        RuleId.INVALID_FIXTURE,
        "certification: there is no service none",
    ),
    (
        "fixtures/records.toml",
        BOTH_RECORDS,
        'record = "x"',
        RuleId.INVALID_FIXTURE,
        "Write each record below a line [[record]].",
    ),
    (
        "fixtures/records.toml",
        BOTH_RECORDS,
        'record = ["x"]',
        RuleId.INVALID_FIXTURE,
        "record number 1: This is not a table of named values.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}membership = ["x"]\n',
        RuleId.INVALID_FIXTURE,
        "bob: membership.0: This is not a table of named values.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}membership = "x"\n',
        RuleId.INVALID_FIXTURE,
        "bob: membership: Not a valid list.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}membership = [{{ organisation = "hill" }}, {{ organisation = "hill" }}]\n',
        RuleId.INVALID_FIXTURE,
        "bob: membership: hill appears twice.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}membership = [{{ organisation = "hill", roles = ["a:b", "a:b"] }}]\n',
        RuleId.INVALID_FIXTURE,
        "bob: membership.0: a:b appears twice.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}membership = [{{ organisation = "hill", roles = ["a:b"], dated = [{{ role = "a:b" }}] }}]\n',
        RuleId.INVALID_FIXTURE,
        "bob: membership.0: a:b appears twice.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}staff_roles = ["support", "support"]\n',
        RuleId.INVALID_FIXTURE,
        "bob: staff_roles: support appears twice.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}email = "A@example.org"\n\n[[person]]\nid = "carl"\nemail = "a@Example.org"\n',
        RuleId.INVALID_FIXTURE,
        "carl: a@example.org appears twice.",
    ),
    (
        "fixtures/people.toml",
        BOB,
        'id = "b\\u0000b"\n',
        RuleId.INVALID_FIXTURE,
        "person number 2: id: Leave control characters out.",
    ),
    ("fixtures/people.toml", BOB, 'id = "b\\u0085b"\n', RuleId.INVALID_FIXTURE, "person number 2: id: "),
    (
        "fixtures/people.toml",
        BOB,
        f'{BOB}name = "B\\nB"\n',
        RuleId.INVALID_FIXTURE,
        "bob: name: Leave control characters out.",
    ),
    (
        "fixtures/records.toml",
        'id = "record-1"',
        'id = "a\\nb"',
        RuleId.INVALID_FIXTURE,
        "record number 1: id: Leave control characters out.",
    ),
    (
        "fixtures/records.toml",
        'status = "active"',
        "deep = [{ number = -9007199254740992 }]",
        RuleId.INVALID_FIXTURE,
        "record-1: properties: Not every program reads a whole number beyond 9007199254740991. Write it as text.",
    ),
    (
        "fixtures/services.toml",
        "https://certification.example.org/",
        "javascript:alert(1)",
        RuleId.INVALID_FIXTURE,
        "certification: launch_address: A launch address starts with https://, http:// or /.",
    ),
    (
        "fixtures/services.toml",
        "[[service]]\n",
        f"[[service]]\nrole = [{ROLE}, {ROLE}]\n",
        RuleId.INVALID_FIXTURE,
        "certification: role: marker appears twice.",
    ),
    (
        "fixtures/services.toml",
        "[[service]]\n",
        f"portal_role = [{ROLE}, {ROLE}]\n\n[[service]]\n",
        RuleId.INVALID_FIXTURE,
        "marker: marker appears twice.",
    ),
]


@pytest.mark.parametrize("mistake", WRONG, ids=lambda mistake: f"{mistake[0]}: {mistake[3]} {mistake[4]}")
def test_a_wrong_pack_is_refused_with_rule_and_place(
    report: Report, pack: Path, mistake: tuple[str, str, str, RuleId, str]
) -> None:
    file, old, new, rule, sentence = mistake
    text = (pack / file).read_text()
    assert old in text
    (pack / file).write_text(text.replace(old, new, 1))
    path = re.escape(str(pack / file))
    finding = re.compile(rf"^{path}:([0-9]+):([0-9]+): {rule}: {re.escape(sentence)}", re.MULTILINE)
    answer = report()
    found = finding.search(answer)
    assert found, answer
    assert 0 < int(found[1]) <= len((pack / file).read_text().splitlines())
    assert int(found[2]) > 0


def test_the_line_is_that_of_the_mistake(report: Report, pack: Path) -> None:
    path = pack / "fixtures" / "people.toml"
    path.write_text(path.read_text().replace('properties = { role = "admin" }', 'stat = "active"'))
    line = path.read_text().splitlines().index('stat = "active"') + 1
    assert f"{path}:{line}:1: invalid-fixture: bob: stat: " in report()


@pytest.mark.parametrize("file", ["fixtures/people.toml", "fixtures/records.toml", "policies/record_test.toml"])
def test_a_file_that_is_not_utf_8_is_refused_where_it_is_not(report: Report, pack: Path, file: str) -> None:
    path = pack / file
    path.write_bytes(b"# Caf\xc3\xa9.\n# Caf\xe9.\n" + path.read_bytes())
    assert re.search(rf"^{re.escape(str(path))}:2:[1-9][0-9]*: unreadable-file: ", report(), re.MULTILINE)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("fixtures/record.toml", "fixtures/record.toml"),
        ("fixtures/people.json", "fixtures/people.json"),
        ("fixtures/more/people.toml", "fixtures/more"),
        ("policies/extra.pol", "policies/extra.pol"),
        ("policies/sub/more.polar", "policies/sub"),
    ],
)
def test_a_file_that_is_not_read_is_found(report: Report, pack: Path, file: str, named: str) -> None:
    (pack / file).parent.mkdir(exist_ok=True)
    (pack / file).write_text("")
    assert report().startswith(f"{pack / named}:0:0: unread-file: ")


@pytest.mark.parametrize("file", ["fixtures/people.json", "policies/sub/more.polar"])
def test_a_file_that_is_not_read_is_found_though_all_was_well_before(pack: Path, tmp_path: Path, file: str) -> None:
    chosen = Settings(data_dir=tmp_path / "data", pack_dir=pack)
    verify_settings(chosen)
    (pack / file).parent.mkdir(exist_ok=True)
    (pack / file).write_text("")
    with pytest.raises(PolicyRejectedError) as rejected:
        verify_settings(chosen)
    assert [finding.rule for finding in rejected.value.findings] == [RuleId.UNREAD_FILE]


def test_a_pack_may_say_something_to_people(report: Report, pack: Path) -> None:
    for name in ("policies/README.md", "fixtures/.gitkeep"):
        (pack / name).write_text("")
    assert report() == ""


def test_a_file_of_a_name_that_is_taken_is_found(check: Check, pack: Path) -> None:
    shutil.copy(BASE / "service.polar", pack / "policies")
    answer = check()
    assert answer.exit_code == 1
    assert f"{pack}/policies/service.polar:1:1: duplicate-file: " in answer.output


def test_what_is_nested_too_deeply_is_refused_like_anything_else(report: Report, pack: Path) -> None:
    path = pack / "fixtures" / "people.toml"
    path.write_text(path.read_text().replace('"admin"', "[" * 2000 + "]" * 2000))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "[[[[" in text)
    assert f"people.toml:{line}:1: invalid-fixture: " in report()


def test_a_pack_grants_nothing_of_the_base_policy(report: Report, pack: Path) -> None:
    path = pack / "policies" / "record.polar"
    line = path.read_text().count("\n") + 1
    path.write_text(path.read_text() + 'has_permission(_: Person, "launch", _: Service);\n')
    assert f"record.polar:{line}:1: foreign-grant: " in report()


def test_a_pack_has_a_database_of_its_own(tmp_path: Path) -> None:
    environ = {"DEVELOPMENT": "1", "DATA_DIR": str(tmp_path), "PACK_DIR": str(SHIPPED)}
    chosen = config.read_settings(environ)
    assert chosen.data_dir.parent == tmp_path / "packs"
    assert chosen.database_url == f"sqlite:///{chosen.data_dir}/tessera.db"
    # One of the same name in another place has another.
    namesake = Path(shutil.copytree(SHIPPED, tmp_path / "elsewhere" / "authzen"))
    assert config.read_settings(environ | {"PACK_DIR": str(namesake)}).data_dir != chosen.data_dir
    assert config.read_settings(environ | {"PACK_DATA_DIR": str(tmp_path / "mine")}).data_dir == tmp_path / "mine"
    assert chosen.policy_folders == (ROOT / "policies", SHIPPED / "policies")
    told = config.read_settings(environ | {"DATABASE_URL": "postgresql://db/mine"})
    assert told.database_url == "postgresql://db/mine"


def test_a_folder_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"PACK_DIR names .*, which is not a folder with policies/ or fixtures/\."):
        config.read_settings({"DEVELOPMENT": "1", "DATA_DIR": str(tmp_path), "PACK_DIR": str(tmp_path)})


def test_what_a_pack_is_about_moves_into_an_empty_database(database: None) -> None:
    assert is_empty()
    load_pack(SHIPPED / "fixtures")
    assert not is_empty()
    assert {person.public_id: (person.name, person.properties) for person in Person.select()} == {
        "alice": ("alice", None),
        "bob": ("bob", {"role": "admin"}),
    }
    assert {person.password_hash for person in Person.select()} == {""}
    assert EmailAddress.select().count() == 0
    assert {(row.kind, row.public_id): row.properties for row in Record.select()} == {
        ("record", "record-1"): {"status": "active"},
        ("record", "record-2"): {"status": "archived"},
    }
    assert (Service.get().slug, Client.get().kinds) == ("certification", ["record"])


def test_a_database_with_records_alone_is_not_empty(database: None) -> None:
    Record.create(kind="record", public_id="record-1")
    assert not is_empty()


def test_a_pack_that_has_changed_is_checked_again(pack: Path, tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path / "data", pack_dir=pack)
    verify_settings(chosen)
    for file, old, new in (("fixtures/people.toml", "alice", "a@b"), ("policies/record.polar", '"reader"', '"raeder"')):
        text = (pack / file).read_text()
        (pack / file).write_text(text.replace(old, new, 1))
        with pytest.raises(PolicyRejectedError):
            verify_settings(chosen)
        (pack / file).write_text(text)
        verify_settings(chosen)


@contextmanager
def served(pack: Path, data_dir: Path) -> Iterator[str]:
    """Run `tessera serve --pack`, and give its address once it answers."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    environ = {**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(data_dir), "PORT": str(port), "WORKERS": "1"}
    for name in ("DATABASE_URL", "PACK_DIR", "POLICIES_DIR"):
        environ.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--pack", str(pack)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        # Written once the server answers; nothing is ever read if it does not start.
        assert "with the pack" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.skipif(ON_POSTGRESQL, reason="a pack has a SQLite file of its own")
def test_a_pack_is_served_and_what_is_registered_there_stays(pack: Path, tmp_path: Path) -> None:
    def send(address: str, path: str, body: object, method: str = "POST") -> dict[str, object]:
        request = urllib.request.Request(
            f"{address}{path}",
            data=json.dumps(body).encode(),
            method=method,
            headers={"Authorization": "Bearer demo-key-certification", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    question = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-1"},
    }
    with served(pack, tmp_path / "data") as address:
        assert send(address, "/access/v1/evaluation", question)["decision"] is True
        send(address, "/records/record/record-1", {"properties": {"status": "archived"}}, "PUT")
        assert send(address, "/access/v1/evaluation", question)["decision"] is False
    # The fixtures move in once. A volume of a container consists of links, and is the same pack.
    rules = pack / "policies"
    (pack / ".volume").mkdir()
    for path in list(rules.iterdir()):
        path.rename(pack / ".volume" / path.name)
        path.symlink_to(Path("..", ".volume", path.name))
    with served(pack, tmp_path / "data") as address:
        assert send(address, "/access/v1/evaluation", question)["decision"] is False
    [database] = (tmp_path / "data" / "packs").glob("*/tessera.db")
    # Others are not loaded over them, and not left out without a word.
    clients = pack / "fixtures" / "clients.toml"
    clients.write_text("# Nothing new.\n" + clients.read_text())
    with served(pack, tmp_path / "data"):
        pass
    clients.write_text(clients.read_text().replace("demo-key-certification", "demo-key-of-another"))
    refused = subprocess.run(
        [sys.executable, "-m", "app.cli", "--pack", str(pack), "serve"],
        cwd=ROOT,
        env={**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(tmp_path / "data"), "PORT": "18998"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert f"Delete {database.parent} to load them anew" in refused.stderr


@pytest.mark.skipif(ON_POSTGRESQL, reason="a pack has a SQLite file of its own")
def test_any_command_takes_a_pack(pack: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(tmp_path)}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "app.cli", "--pack", str(pack), *words]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    run("migrate")
    assert str(pack) in run("settings")
    [_database] = (tmp_path / "packs").glob("*/tessera.db")


@pytest.mark.skipif(ON_POSTGRESQL, reason="a pack has a SQLite file of its own")
def test_a_wrong_pack_is_not_served(pack: Path, tmp_path: Path) -> None:
    path = pack / "policies" / "record.polar"
    path.write_text(path.read_text().replace("has_role(", "has_rol("))
    environ = {**os.environ, "DEVELOPMENT": "1", "DATA_DIR": str(tmp_path), "PORT": "18999"}
    answer = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", "--pack", str(pack)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert f"{path}:12:1: unused-rule: " in answer.stderr
