from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from app.kernel import clock

LONDON = "Europe/London"


@pytest.mark.parametrize(
    ("day", "starts", "ends"),
    [
        (date(2026, 1, 15), datetime(2026, 1, 15, 0, tzinfo=UTC), datetime(2026, 1, 16, 0, tzinfo=UTC)),
        (date(2026, 6, 30), datetime(2026, 6, 29, 23, tzinfo=UTC), datetime(2026, 6, 30, 23, tzinfo=UTC)),
    ],
)
def test_a_day_runs_from_midnight_to_midnight_where_the_school_is(day: date, starts: datetime, ends: datetime) -> None:
    assert clock.start_of_day(day, LONDON) == starts
    assert clock.end_of_day(day, LONDON) == ends


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_on_which_the_clocks_change_is_shorter_or_longer(day: date, hours: int) -> None:
    assert clock.end_of_day(day, LONDON) - clock.start_of_day(day, LONDON) == timedelta(hours=hours)


def test_today_is_the_day_where_the_school_is() -> None:
    with time_machine.travel(datetime(2026, 7, 1, 23, 30, tzinfo=UTC), tick=False):
        assert clock.today("UTC") == date(2026, 7, 1)
        assert clock.today(LONDON) == date(2026, 7, 2)


def test_a_decision_has_one_moment() -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with clock.pinned(moment):
        with clock.pinned(moment + timedelta(days=1)):
            assert clock.now() == moment + timedelta(days=1)
        assert clock.now() == moment
    assert clock.now() > moment


def test_a_clock_is_steady_once_it_has_not_jumped_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    count = wall = 1_000_000.0
    monkeypatch.setattr(clock, "monotonic", lambda: count)
    monkeypatch.setattr(clock, "seconds", lambda: wall)
    monkeypatch.setattr(clock, "_steadiness", clock._Steadiness())
    heard = []
    for passed, jump in ((0, 0), (599, 0), (2, 0), (10, 172_800), (10, -172_800), (599, 0), (2, 0)):
        count += passed
        wall += passed + jump
        heard.append(clock.is_steady())
    assert heard == [False, False, True, False, False, False, True]
