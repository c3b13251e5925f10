"""Questions about mail."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from app.kernel import clock
from app.mail.models import Mail, MailState

OUTBOX = "outbox"
"""The folder, below the data folder, of mails that are kept as files instead of being sent."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]*")


@dataclass(frozen=True)
class OutboxMail:
    """A mail that was kept as a file. `message_id` is without its angle brackets."""

    message_id: str
    to: str
    subject: str
    date: datetime
    body: str


def is_mail_due() -> bool:
    """Return whether a worker could try a mail now. Asks without the writers' lock, so it may be out of date soon."""
    return Mail.select().where(Mail.state == MailState.WAITING, Mail.due_at <= clock.now()).exists()


def outbox_mails(data_dir: Path, *, limit: int = 200) -> list[OutboxMail]:
    """Return the newest mails that were kept as files below `data_dir`, newest first, at most `limit`."""
    files = [(entry.stat().st_mtime_ns, entry.path) for entry in _outbox_files(data_dir / OUTBOX)]
    return [_read(Path(path)) for _moment, path in sorted(files, reverse=True)[:limit]]


def outbox_mail(data_dir: Path, message_id: str) -> OutboxMail | None:
    """Return the mail with `message_id` that was kept as a file below `data_dir`, or None."""
    path = outbox_path(data_dir, message_id)
    return _read(path) if path is not None and path.is_file() else None


def outbox_path(data_dir: Path, message_id: str) -> Path | None:
    """Return where the mail with `message_id` is kept as a file; None for what cannot be one of ours."""
    # Addresses of pages name the file, so a name that could lead out of the folder is nobody's.
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
