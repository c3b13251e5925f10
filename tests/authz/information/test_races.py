"""Right after a change has been made, no other process gives an answer that does not know of it."""

from collections.abc import Iterator

import pytest

from app.runtime import current
from tests.authz.information.racing import Asked, asked, delays, stale_answers, toggled
from tests.conftest import ON_POSTGRESQL

RACES = 60

pytestmark = [pytest.mark.usefixtures("cast"), pytest.mark.slow]


@pytest.fixture
def other(cast: None) -> Iterator[Asked]:
    toggled(give=True)
    with asked(current().settings.database_url) as process:
        yield process


def test_a_process_that_does_not_look_gives_stale_answers() -> None:
    """Without this the other tests could pass by luck."""
    toggled(give=True)
    with asked(current().settings.database_url, blind=True) as process:
        assert process.allows()
        assert stale_answers(process, RACES) > 0


@pytest.mark.skipif(ON_POSTGRESQL, reason="a notification takes a moment: see the test below")
def test_no_answer_is_stale(other: Asked) -> None:
    assert stale_answers(other, RACES) == 0


def test_no_answer_is_older_than_was_asked_for(other: Asked) -> None:
    assert stale_answers(other, RACES, at_least=True) == 0


def test_every_change_is_heard_of_in_the_end(other: Asked) -> None:
    assert len(delays(other, RACES)) == RACES
