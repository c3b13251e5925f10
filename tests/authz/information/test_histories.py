"""A database that was restored, replaced or changed behind our back is read anew before the next answer."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from app.accounts.models import Attempts, Invitation, PasswordReset, Session
from app.audit.models import DecisionBatch, DecisionPath, Event, UnrecordedChanges
from app.audit.operations import next_revision
from app.audit.queries import changes, revision
from app.authz.information.cache import DirectoryView, NotFreshError
from app.kernel import change_feed
from app.kernel import database as kernel
from app.kernel.database import changing
from app.kernel.outage import DatabaseAwayError
from app.mail.models import Mail
from app.memberships.models import Grant
from app.records.operations import put_record
from app.runtime import settings
from app.services.models import Role
from tests.authz.information.test_cache import CHANGES, elsewhere, held, now_of
from tests.conftest import ON_POSTGRESQL

pytestmark = pytest.mark.usefixtures("cast")

on_sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="the database is no file")
NO_FACTS = (
    Attempts,
    DecisionBatch,
    DecisionPath,
    Event,
    Invitation,
    Mail,
    PasswordReset,
    Session,
    UnrecordedChanges,
)
TABLES = sorted(model._meta.table_name for model in kernel.BaseModel.__subclasses__() if model not in NO_FACTS)
GIVE = CHANGES["a role is given"][0]


@pytest.fixture
def view(cast: None) -> Iterator[DirectoryView]:
    made = DirectoryView(20_000)
    yield made
    made.close()


@pytest.fixture
def always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch looks at the files each time, and not every ten milliseconds."""
    monkeypatch.setattr(change_feed, "_FILES_SECONDS", 0)


def path() -> Path:
    return Path(settings().database_url.removeprefix("sqlite:///"))


def in_sql(*statements: str) -> None:
    """Do what an operator may do by hand, on a connection that is none of ours."""
    opened = psycopg.connect if ON_POSTGRESQL else sqlite3.connect
    with closing(opened(settings().database_url if ON_POSTGRESQL else path())) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def heard(view: DirectoryView) -> None:
    """Have the view look: on PostgreSQL a notification takes a moment."""
    if ON_POSTGRESQL:
        view.freshness._is_behind = True
    view.fresh()


@on_sqlite
@pytest.mark.parametrize("asks_between", [False, True])
def test_a_backup_that_is_restored_in_place_is_read_anew(view: DirectoryView, asks_between: bool) -> None:
    with closing(sqlite3.connect(path())) as live, closing(sqlite3.connect(":memory:")) as backup:
        live.backup(backup)
        before = held(view)
        elsewhere(GIVE)
        lost = now_of(view)
        assert held(view) == before | {"exam-entries:user"}
        backup.backup(live)
    if asks_between:
        view.fresh()
    # As many changes as were lost.
    elsewhere(lambda: put_record("note", "1", {}, by="operator"))
    view.fresh()
    assert held(view) == before
    with pytest.raises(NotFreshError):
        view.fresh(lost)


@on_sqlite
@pytest.mark.parametrize("leaves_memory", [False, True])
@pytest.mark.usefixtures("always_looks")
def test_a_file_that_takes_the_place_of_the_database_is_read_anew(
    view: DirectoryView, tmp_path: Path, leaves_memory: bool
) -> None:
    copy = tmp_path / "copy.db"
    before = held(view)
    with closing(sqlite3.connect(path())) as live, closing(sqlite3.connect(copy)) as backup:
        live.backup(backup)
    elsewhere(GIVE)
    lost = now_of(view)
    assert held(view) == before | {"exam-entries:user"}
    for ending in () if leaves_memory else ("-wal", "-shm"):
        Path(f"{path()}{ending}").unlink()
    if leaves_memory:
        # What was not copied into the file yet belongs to the old one.
        Path(f"{path()}-wal").write_bytes(b"")
    copy.replace(path())
    view.fresh()
    assert held(view) == before
    with pytest.raises(NotFreshError):
        view.fresh(lost)
    # And whoever changes it from now on, changes the new one.
    elsewhere(GIVE)
    view.fresh()
    assert held(view) == before | {"exam-entries:user"}
    with closing(sqlite3.connect(path())) as live:
        assert live.execute("select max(revision) from event").fetchone() == (view.revision,)


@on_sqlite
@pytest.mark.usefixtures("always_looks")
def test_a_file_that_is_gone_is_not_made_again(view: DirectoryView) -> None:
    held(view)
    aside = path().rename(path().with_suffix(".aside"))
    for _ in range(2):
        with pytest.raises(DatabaseAwayError):
            view.fresh()
    assert not path().exists()
    aside.rename(path())
    # It is looked at again after a tenth of a second.
    view.freshness._look_at = 0
    view.fresh()
    assert held(view)


def test_a_standby_that_had_not_received_everything_is_read_anew(view: DirectoryView) -> None:
    before = held(view)
    elsewhere(GIVE)
    lost = now_of(view)
    assert held(view) == before | {"exam-entries:user"}

    def fail_over() -> None:
        with changing():
            Grant.delete().where(Grant.role == Role.get(Role.slug == "exam-entries:user")).execute()
            Event.delete().where(Event.revision == lost).execute()
        put_record("note", "1", {}, by="operator")

    elsewhere(fail_over)
    heard(view)
    assert held(view) == before
    with pytest.raises(NotFreshError):
        view.fresh(lost)


@pytest.mark.parametrize("table", TABLES)
def test_a_change_without_an_event_is_counted(view: DirectoryView, table: str) -> None:
    put_record("note", "1", {}, by="operator")
    (newest, unrecorded) = changes()
    in_sql(f'update "{table}" set id = id')
    assert changes()[0] == newest
    assert changes()[1] > unrecorded


@pytest.mark.parametrize(
    "statement",
    [
        "delete from \"grant\" where role_id = (select id from role where slug = 'exam-entries:user')",
        "update person set state = 'suspended'",
        "update membership set state = 'suspended'",
    ],
)
def test_a_change_without_an_event_is_noticed(view: DirectoryView, statement: str) -> None:
    elsewhere(GIVE)
    now_of(view)
    before = view.person("thomas-reed")
    in_sql(statement)
    heard(view)
    assert view.person("thomas-reed") is not before


def test_our_own_changes_count_as_recorded(view: DirectoryView) -> None:
    unrecorded = changes()[1]
    elsewhere(GIVE)
    elsewhere(lambda: put_record("note", "1", {}, by="operator"))
    assert changes()[1] == unrecorded


def test_revisions_grow_and_no_two_histories_make_the_same(view: DirectoryView) -> None:
    newest = revision()
    histories = {next_revision(newest) for _ in range(20)}
    assert len(histories) == 20
    assert min(histories) > newest
    kept = [put_record("note", "1", {}, by="operator") for _ in range(20)]
    assert kept == sorted(kept)
    assert kept[-1] < 2**53
