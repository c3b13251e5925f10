import smtplib
from contextlib import closing
from pathlib import Path

import pytest

from app.accounts.activation import create_account
from app.config import Settings
from app.kernel.database import changing
from app.kernel.errors import ProblemError
from app.mail.delivery import Delivery, MailRefusedError
from app.mail.models import Mail
from app.mail.operations import queue
from app.mail.queries import outbox_mail, outbox_mails
from tests.mail.conftest import MailServer
from tests.running import change_settings

ADDRESS = "ada@example.org"


def deliver(mail: Mail) -> None:
    with closing(Delivery()) as delivery:
        delivery.deliver(mail)


def test_a_mail_arrives_as_it_was_written(by_smtp: MailServer) -> None:
    mail = queue(ADDRESS, "Grüße", "Liebe Ada,\n\n.\nalles gut?\n" + "x" * 2000)
    deliver(mail)
    (message,) = by_smtp.accepted
    assert message["To"] == ADDRESS
    assert message["From"] == "Tessera <no-reply@example.org>"
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"] == mail.message_id
    assert message["Date"].datetime == mail.created_at.replace(microsecond=0)
    assert message.get_content().replace("\r\n", "\n") == mail.body + "\n"
    assert by_smtp.commands[1] == "mail FROM:<no-reply@example.org>"


def test_a_name_cannot_smuggle_in_a_header(by_smtp: MailServer) -> None:
    deliver(queue(ADDRESS, "Hello\r\nBcc: eve@example.org", "Text"))
    (message,) = by_smtp.accepted
    assert message["Bcc"] is None
    assert message["Subject"] == "Hello Bcc: eve@example.org"
    assert [line for line in by_smtp.commands if line.upper().startswith("RCPT")] == [f"rcpt TO:<{ADDRESS}>"]


@pytest.mark.parametrize("address", ["ada@exa\nmple.org", "ada@" + "x" * 80 + ".org"])
def test_what_cannot_be_an_address_is_refused_without_asking(by_smtp: MailServer, address: str) -> None:
    with pytest.raises(MailRefusedError):
        deliver(queue(address, "Hello", "Text"))
    assert by_smtp.commands == []


def test_a_domain_beyond_ascii_is_written_for_the_network(by_smtp: MailServer) -> None:
    deliver(queue("ada@exämple.org", "Hello", "Text"))
    assert "rcpt TO:<ada@xn--exmple-cua.org>" in by_smtp.commands


def test_a_name_that_the_server_cannot_write_is_refused(by_smtp: MailServer) -> None:
    with pytest.raises(MailRefusedError):
        deliver(queue("jürgen@example.org", "Hello", "Text"))


def test_a_password_is_never_sent_in_the_clear(settings: Settings, by_smtp: MailServer) -> None:
    by_smtp.extensions = ("AUTH PLAIN",)
    by_smtp.answers["STARTTLS"] = "502 what?"
    change_settings(smtp_url=f"smtp://ada:secret@127.0.0.1:{by_smtp.port}")
    with pytest.raises(smtplib.SMTPException):
        deliver(queue(ADDRESS, "Hello", "Text"))
    assert not [line for line in by_smtp.commands if line.upper().startswith(("AUTH", "MAIL"))]


def test_encryption_that_was_offered_and_fails_is_not_done_without(by_smtp: MailServer) -> None:
    by_smtp.extensions = ("STARTTLS",)
    by_smtp.answers["STARTTLS"] = "454 not now"
    with pytest.raises((smtplib.SMTPException, OSError)):
        deliver(queue(ADDRESS, "Hello", "Text"))
    assert by_smtp.accepted == []


def test_what_was_accepted_is_sent_however_the_goodbye_goes(by_smtp: MailServer) -> None:
    by_smtp.answers["QUIT"] = ""
    deliver(queue(ADDRESS, "Hello", "Text"))
    assert len(by_smtp.accepted) == 1


def test_without_a_server_a_mail_is_kept_as_a_file(database: None, tmp_path: Path) -> None:
    mail = queue(ADDRESS, "Grüße", "Liebe Ada\n")
    deliver(mail)
    (kept,) = outbox_mails(tmp_path)
    assert f"<{kept.message_id}>" == mail.message_id
    assert (kept.to, kept.subject, kept.body) == (ADDRESS, "Grüße", "Liebe Ada\n")
    assert kept.date == mail.created_at.replace(microsecond=0)
    assert outbox_mail(tmp_path, kept.message_id) == kept
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{kept.message_id}.eml"]


def test_the_outbox_shows_the_newest_first(database: None, tmp_path: Path) -> None:
    for number in range(4):
        deliver(queue(ADDRESS, f"Mail {number}", "Text"))
    assert [mail.subject for mail in outbox_mails(tmp_path)] == ["Mail 3", "Mail 2", "Mail 1", "Mail 0"]
    assert [mail.subject for mail in outbox_mails(tmp_path, limit=1)] == ["Mail 3"]


def test_an_outbox_that_was_never_used_is_empty(tmp_path: Path) -> None:
    assert outbox_mails(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../secret", "..", "", ".hidden", "a/../../secret", "/etc/passwd", "..%2fsecret", "a\0b"]
)
def test_no_name_of_a_mail_leads_out_of_the_outbox(tmp_path: Path, name: str) -> None:
    (tmp_path / "outbox").mkdir()
    for path in (tmp_path / "secret.eml", tmp_path / "outbox" / ".hidden.eml"):
        path.write_text("Subject: secret\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nTo: a@example.org\n\nText\n")
    assert outbox_mail(tmp_path, name) is None


def test_a_change_that_is_undone_leaves_no_mail(database: None) -> None:
    def change_and_fail() -> None:
        with changing():
            create_account("Ada Hill", ADDRESS)
            raise ProblemError("no")

    with pytest.raises(ProblemError):
        change_and_fail()
    assert Mail.select().count() == 0
    create_account("Ada Hill", ADDRESS)
    assert Mail.select().count() == 1
