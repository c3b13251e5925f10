"""How long what a view knows counts while the database is away."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app.authz import facts
from app.authz.information import freshness
from app.authz.information.cache import DirectoryView
from app.kernel import outage
from app.kernel.database import database, sqlite_file
from app.kernel.outage import DatabaseAwayError
from app.runtime import current
from tests.api.conftest import Ask
from tests.running import change_settings

pytestmark = pytest.mark.one_database


@pytest.fixture
def away(app: object, ask: Ask) -> Iterator[DirectoryView]:
    """A database that is away for a view that has answered once, and that goes on for a minute."""
    change_settings(answer_without_database=60)
    assert "stale_seconds" not in ask("olivia-marsh").json["context"]
    view = current().view
    file = sqlite_file()
    assert file is not None
    database.close()
    aside = file.rename(file.with_suffix(".aside"))
    view.freshness._is_behind = True
    yield view
    aside.rename(file)
    database.connect()


def test_what_is_known_counts_for_as_long_as_is_set_and_no_longer(away: DirectoryView, ask: Ask) -> None:
    assert ask("olivia-marsh").json["context"]["stale_seconds"] >= 1
    # Nobody who is not known is let in.
    assert ask("thomas-reed").status_code == 503
    away.freshness._fresh_at -= 30
    assert ask("olivia-marsh").json["context"]["stale_seconds"] >= 31
    away.freshness._fresh_at -= 30
    answer = ask("olivia-marsh")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("more", [{}, {"evaluations": [{}]}, {"explain": True}])
def test_an_answer_says_that_it_is_old_although_the_database_is_back_when_it_is_given(
    away: DirectoryView, ask: Ask, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    person = DirectoryView.person

    def person_while_it_comes_back(self: DirectoryView, name: str) -> facts.Person | None:
        found = person(self, name)
        self.freshness.is_stale = False
        return found

    monkeypatch.setattr(DirectoryView, "person", person_while_it_comes_back)
    answer = ask("olivia-marsh", **more).json
    (answer,) = answer.get("evaluations", [answer])
    assert answer["context"]["stale_seconds"] >= 1


def test_a_database_that_does_not_respond_counts_as_away(
    away: DirectoryView, ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage._log, "_next_at", 0)
    monkeypatch.setattr(freshness, "_LOOK_SECONDS", 0.05)
    # Somebody waits for it.
    with away.freshness._looking:
        for _ in range(3):
            assert ask("olivia-marsh").json["context"]["stale_seconds"] >= 1
        assert caplog.text.count("the database cannot be used: It does not respond.") == 1
        change_settings(answer_without_database=0)
        away.freshness._fresh_at -= 1
        assert ask("olivia-marsh").status_code == 503


def test_an_outage_is_said_once(
    away: DirectoryView, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outage._log, "_next_at", 0)
    change_settings(answer_without_database=0)
    for _ in range(20):
        away.freshness._look_at = 0
        with pytest.raises(DatabaseAwayError):
            away.fresh()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert not any(record.exc_info for record in errors)
