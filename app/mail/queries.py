"""Queries about mail: the queue in the database, and the outbox folder of development."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from peewee import fn

from app.kernel import clock
from app.mail.models import Mail, MailState

LONGEST_WAIT = timedelta(minutes=15)
"""How long a mail waits at most between two tries."""
OUTBOX = "outbox"
"""The folder below the data folder for mails that are written to files instead of being sent."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]*")


@dataclass(frozen=True)
class OutboxMail:
    """A mail that was written to a file. `message_id` has no angle brackets."""

    message_id: str
    to: str
    subject: str
    date: datetime
    body: str


def has_come() -> Any:
    """Return the condition under which the time of a waiting mail has come, and nobody sends it.

    A time that is further away than mails ever wait comes from a clock that was wrong.
    """
    moment = clock.now()
    is_due = (Mail.due_at <= moment) | (Mail.due_at > moment + LONGEST_WAIT + clock.CLOCKS_DIFFER)
    return is_due & Mail.claimed_by.is_null()


def is_mail_due() -> bool:
    """Return whether a mail is due. Reads without the write lock, so another worker may claim it first."""
    return Mail.select().where(Mail.state == MailState.WAITING, has_come()).exists()


def claims() -> dict[str, datetime]:
    """Return until when mails are claimed, by worker: a claim that goes on moves this on."""
    query = Mail.select(Mail.claimed_by, Mail.due_at).where(
        Mail.state == MailState.WAITING, Mail.claimed_by.is_null(is_null=False)
    )
    return {str(mail.claimed_by): mail.due_at for mail in query.order_by(Mail.due_at)}


def unsent_mails(limit: int) -> list[Mail]:
    """Return up to `limit` mails that wait or were refused, the newest first."""
    return list(Mail.select().where(Mail.state != MailState.SENT).order_by(Mail.id.desc()).limit(limit))


def waiting_since() -> tuple[int, datetime | None]:
    """Return how many mails wait, and since when the oldest of them has."""
    query: Any = Mail.select(fn.COUNT(Mail.id), fn.MIN(Mail.created_at)).where(Mail.state == MailState.WAITING)
    ((count, oldest),) = query.tuples()
    return count, None if oldest is None else Mail.created_at.python_value(oldest)


def undelivered(address: str) -> Mail | None:
    """Return the newest mail to `address` if a mail server would not take it, for now or for good, else None."""
    mail: Mail | None = Mail.select().where(Mail.to_address == address).order_by(Mail.id.desc()).first()
    return mail if mail is not None and mail.last_reply else None


def outbox_mails(data_dir: Path, *, limit: int = 200) -> list[OutboxMail]:
    """Return up to `limit` mails that were written to files below `data_dir`, newest first."""
    files = [(entry.stat().st_mtime_ns, entry.path) for entry in _outbox_files(data_dir / OUTBOX)]
    return [_read(Path(path)) for _moment, path in sorted(files, reverse=True)[:limit]]


def outbox_mail(data_dir: Path, message_id: str) -> OutboxMail | None:
    """Return the mail with `message_id` that was written to a file below `data_dir`, or None."""
    path = outbox_path(data_dir, message_id)
    return _read(path) if path is not None and path.is_file() else None


def outbox_path(data_dir: Path, message_id: str) -> Path | None:
    """Return the path of the file for the mail with `message_id`; None if that is not a Message-ID of ours."""
    # The id comes from the address of a page: it must not lead out of the folder.
    if not _NAME.fullmatch(message_id) or ".." in message_id:
        return None
    return data_dir / OUTBOX / f"{message_id}.eml"


def _outbox_files(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name.endswith(".eml")]


def _read(path: Path) -> OutboxMail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return OutboxMail(
        message_id=path.name.removesuffix(".eml"),
        to=str(message["To"]),
        subject=str(message["Subject"]),
        date=message["Date"].datetime.astimezone(UTC),
        body=message.get_content().replace("\r\n", "\n"),
    )
