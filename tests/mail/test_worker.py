import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from app.audit.models import Event
from app.config import Settings
from app.kernel import clock
from app.kernel.database import database as bound
from app.mail import worker
from app.mail.models import Mail, MailState
from app.mail.operations import claim, forget_old, mark_sent, postpone, queue, renew
from app.mail.worker import Worker
from app.vocabulary import EventName
from tests.mail.conftest import MailServer
from tests.running import change_settings
from tests.waiting import until

ADDRESS = "ada@example.org"
MOMENT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock_hand() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MOMENT, tick=False) as traveller:
        yield traveller


def send_next() -> bool:
    """Send as a worker that begins."""
    with closing(Worker()) as one:
        return one.send_next()


def only_mail() -> Mail:
    return Mail.get()


def events() -> list[tuple[EventName, str, str]]:
    return [(event.name, event.by, event.subject) for event in Event.select().order_by(Event.revision)]


def test_a_sent_mail_is_marked_and_forgets_its_text(by_smtp: MailServer) -> None:
    mail = queue(ADDRESS, "Hello", "A link that signs somebody in")
    assert send_next() is True
    assert send_next() is False
    sent = only_mail()
    assert (sent.state, sent.body, sent.tries) == (MailState.SENT, "", 1)
    assert sent.sent_at is not None
    assert events() == [(EventName.MAIL_SENT, "mail worker", f"mail:{mail.message_id.strip('<>')}")]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "TEXT"])
def test_a_mail_that_is_put_off_is_tried_again(
    by_smtp: MailServer, clock_hand: time_machine.Traveller, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue(ADDRESS, "Hello", "Text")
    by_smtp.answers[command] = "450 later"
    send_next()
    put_off = only_mail()
    assert (put_off.state, put_off.body, put_off.tries, put_off.last_reply) == (MailState.WAITING, "Text", 1, "450")
    assert events() == []
    by_smtp.answers.clear()
    assert send_next() is False
    clock_hand.shift(timedelta(seconds=5))
    assert send_next() is True
    assert only_mail().state == MailState.SENT
    assert ADDRESS not in caplog.text


def test_a_server_that_is_away_puts_a_mail_off(settings: Settings, database: None) -> None:
    change_settings(smtp_url="smtp://127.0.0.1:1")
    queue(ADDRESS, "Hello", "Text")
    send_next()
    assert only_mail().state == MailState.WAITING


@pytest.mark.parametrize("command", ["RCPT", "TEXT"])
def test_a_mail_that_is_refused_for_good_is_given_up(
    by_smtp: MailServer, clock_hand: time_machine.Traveller, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue(ADDRESS, "Hello", "Text")
    by_smtp.answers[command] = f"550 no {ADDRESS} here"
    send_next()
    refused = only_mail()
    assert (refused.state, refused.body, refused.sent_at) == (MailState.REFUSED, "", None)
    assert [name for name, _by, _subject in events()] == [EventName.MAIL_REFUSED]
    clock_hand.shift(timedelta(days=1))
    assert send_next() is False
    assert ADDRESS not in caplog.text


def test_the_wait_grows_to_a_quarter_of_an_hour_and_a_mail_is_never_given_up(
    database: None, clock_hand: time_machine.Traveller
) -> None:
    queue(ADDRESS, "Hello", "Text")
    waits = []
    for _ in range(12):
        mail = claim("worker")
        assert mail is not None
        postpone(mail, "450")
        waits.append((only_mail().due_at - clock.now()).total_seconds())
        clock_hand.shift(waits[-1])
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]


def test_a_claim_keeps_others_away_while_its_worker_is_heard_of(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(ADDRESS, "Hello", "Text")
    first = claim("slow")
    assert first is not None
    moment = 1000.0
    monkeypatch.setattr(worker, "monotonic", lambda: moment)
    other = Worker()
    for _ in range(4):
        assert other.send_next() is False
        moment += 9
        renew(first)
    # From here on it says nothing more; however the clocks are put, ten seconds later it has died.
    with time_machine.travel(MOMENT + timedelta(days=30)):
        assert other.send_next() is False
        moment += 11
        assert other.send_next() is True
    assert only_mail().state == MailState.SENT
    # The slow one comes back: what it says about a mail that is somebody else's now changes nothing.
    postpone(first, "450")
    mark_sent(first)
    assert [name for name, _by, _subject in events()] == [EventName.MAIL_SENT]


@pytest.mark.parametrize("jump", [timedelta(days=2), timedelta(days=-2), timedelta(minutes=1)])
def test_a_clock_that_was_wrong_delays_nothing(
    by_smtp: MailServer, clock_hand: time_machine.Traveller, jump: timedelta
) -> None:
    clock_hand.shift(jump)
    queue(ADDRESS, "New", "Text")
    queue("put.off@example.org", "Put off", "Text")
    by_smtp.answers["RCPT"] = "450 later"
    while send_next():
        pass
    by_smtp.answers.clear()
    clock_hand.shift(-jump + timedelta(minutes=16))
    while send_next():
        pass
    assert {mail.state for mail in Mail.select()} == {MailState.SENT}


def test_a_link_that_somebody_waits_for_overtakes_invitations(by_smtp: MailServer) -> None:
    for number in range(3):
        queue(ADDRESS, f"Invitation {number}", "Text")
    queue(ADDRESS, "Choose a new password", "Text", urgent=True)
    assert send_next()
    assert [message["Subject"] for message in by_smtp.accepted] == ["Choose a new password"]


def test_one_connection_serves_many_mails_and_is_made_anew_when_it_is_gone(by_smtp: MailServer) -> None:
    with closing(Worker()) as one:
        for command in ("", "", "NOOP", "RCPT", ""):
            by_smtp.answers = {command: "421 closing"} if command else {}
            queue(ADDRESS, "Hello", "Text")
            one.send_next()
    greetings = sum(command.upper().startswith("EHLO") for command in by_smtp.commands)
    # The first, after the failed NOOP, and after the refusal that ended the connection.
    assert greetings == 3
    assert len(by_smtp.accepted) == 4


def test_what_was_sent_long_ago_is_forgotten_but_not_by_a_clock_alone(
    by_smtp: MailServer, clock_hand: time_machine.Traveller
) -> None:
    queue(ADDRESS, "Hello", "Text")
    send_next()
    clock_hand.shift(timedelta(days=100))
    assert forget_old() == 0
    queue(ADDRESS, "Another", "Text")
    assert forget_old() == 1
    assert only_mail().subject == "Another"


def test_a_subject_is_cut_to_what_both_databases_take(database: None) -> None:
    queue(ADDRESS, "x" * 300, "Text")
    assert len(only_mail().subject) == 200


def test_mail_goes_out_in_the_order_in_which_it_is_due(by_smtp: MailServer) -> None:
    for number in range(3):
        queue(ADDRESS, f"Mail {number}", "Text")
    while send_next():
        pass
    assert [message["Subject"] for message in by_smtp.accepted] == ["Mail 0", "Mail 1", "Mail 2"]


def test_trouble_with_the_database_does_not_end_the_worker(
    by_smtp: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "_AFTER_ERROR_SECONDS", 0.01)
    queue(ADDRESS, "Hello", "Text")
    bound.execute_sql("alter table mail rename to mail_away")
    stop = threading.Event()
    thread = threading.Thread(target=Worker().run, args=(stop,))
    thread.start()
    until(lambda: "waits after an error" in caplog.text)
    bound.execute_sql("alter table mail_away rename to mail")
    until(lambda: only_mail().state == MailState.SENT)
    stop.set()
    thread.join()


@pytest.fixture
def start_worker(
    database_url: str, by_smtp: MailServer, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """A way to start a worker as a process of its own."""
    workers: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path),
        "DEVELOPMENT": "1",
        "SMTP_URL": by_smtp.url,
    }

    def start() -> subprocess.Popen[bytes]:
        workers.append(subprocess.Popen([sys.executable, "-P", "-m", "app.cli", "mail"], env=environment))
        return workers[-1]

    yield start
    for process in workers:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_no_mail_is_lost_when_workers_are_killed_in_the_middle(
    by_smtp: MailServer, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    mails = {queue(ADDRESS, f"Mail {number}", "Text").message_id for number in range(30)}
    # Before the mail was given, while it is taken, and after it was taken but before that was written down.
    for command in ("RCPT", "TEXT", "QUIT"):
        by_smtp.pause_at = command
        doomed = start_worker()
        assert by_smtp.reached.acquire(timeout=30)
        doomed.kill()
        doomed.wait()
        by_smtp.pause_at = ""
        by_smtp.go_on.set()
        by_smtp.go_on.clear()
    # Within seconds, without anybody's help, it is clear that the three are dead.
    workers = [start_worker() for _ in range(3)]
    until(lambda: not Mail.select().where(Mail.state != MailState.SENT).exists())
    for process in workers:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(30) for process in workers] == [0, 0, 0]
    sent = Counter(message["Message-ID"] for message in by_smtp.accepted)
    assert set(sent) == mails
    assert sum(sent.values()) - len(mails) in {1, 2}
