"""What is forgotten of accounts, and when."""

from datetime import UTC, datetime, timedelta

import time_machine

from app.accounts.models import PasswordReset, Session
from app.accounts.operations import ask_password_reset, start_session
from app.accounts.retention import forget_old
from tests.directory import olivia

MOMENT = datetime(2026, 5, 4, 9, tzinfo=UTC)


def test_sessions_and_links_of_long_ago_are_forgotten_but_not_by_a_clock_alone(cast: None) -> None:
    with time_machine.travel(MOMENT, tick=False) as traveller:
        for _ in range(3):
            start_session(olivia())
        ask_password_reset("olivia.marsh@example.org")
        traveller.shift(timedelta(days=31))
        # Nothing newer says that so much time has passed.
        assert forget_old() == 0
        start_session(olivia())
        assert forget_old() == 3
        assert (Session.select().count(), PasswordReset.select().count()) == (1, 1)
        ask_password_reset("olivia.marsh@example.org")
        assert forget_old() == 1
        assert forget_old() == 0
