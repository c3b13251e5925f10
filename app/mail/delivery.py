"""Handing one mail over: to an SMTP server, or to a file where none is set."""

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from app.mail.models import Mail
from app.mail.queries import outbox_path
from app.runtime import settings

TIMEOUT = 20
"""Seconds that the mail server may be silent."""
_PORTS = {"smtps": 465, "smtp": 25}
_SUBMISSION_PORT = 587
_BAD_ADDRESS = 553
"""What a mail server answers to an address that cannot be one; such a mail is given up without asking."""
# What is not ASCII is encoded: some servers still take seven bits only.
_POLICY = SMTP.clone(cte_type="7bit")


class RefusedError(Exception):
    """The mail server will never take this mail. `code` is its answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server answered {code}")
        self.code = code


def deliver(mail: Mail) -> None:
    """Hand `mail` over.

    Raises `RefusedError` when trying again would not help, and whatever else (OSError, SMTPException) when it might.
    """
    message = _message(mail)
    if settings().smtp_url:
        _send(message, settings().smtp_url)
    else:
        _keep(message, mail.message_id)


def _message(mail: Mail) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = mail.message_id
    # Of the first try, whenever this one is: the same mail sent twice is the same to the last letter.
    message["Date"] = format_datetime(mail.created_at)
    message["From"] = settings().mail_from
    message["To"] = _address(mail.to_address)
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    try:
        return Address(username=local, domain=domain.encode("idna").decode())
    except (ValueError, MessageError) as error:
        raise RefusedError(_BAD_ADDRESS) from error


def _send(message: EmailMessage, url: str) -> None:
    with _connection(url) as smtp:
        try:
            smtp.send_message(message, from_addr=parseaddr(settings().mail_from)[1])
        except smtplib.SMTPRecipientsRefused as error:
            code = max((code for code, _answer in error.recipients.values()), default=0)
            if code >= 500:
                raise RefusedError(code) from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= 500:
                raise RefusedError(error.smtp_code) from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            # An address with letters beyond ASCII before the @, and a server that cannot write those.
            raise RefusedError(_BAD_ADDRESS) from error


@contextmanager
def _connection(url: str) -> Iterator[smtplib.SMTP]:
    """Hold a connection to the mail server at `url`, encrypted and signed in as far as `url` says."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (_SUBMISSION_PORT if parts.scheme == "smtp" and parts.username else _PORTS[parts.scheme])
    if parts.scheme == "smtps":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
    else:
        smtp = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        if parts.scheme == "smtp":
            smtp.ehlo_or_helo_if_needed()
            if parts.username or smtp.has_extn("starttls"):
                smtp.starttls(context=_tls(must_be_known=bool(parts.username)))
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
        yield smtp
    finally:
        # What was accepted stays accepted, however the goodbye goes.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _tls(*, must_be_known: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not must_be_known:
        # A relay next door has a certificate of its own making, and the other choice is no encryption at all.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _keep(message: EmailMessage, message_id: str) -> None:
    path = outbox_path(settings().data_dir, message_id.strip("<>"))
    if path is None:
        raise RefusedError(_BAD_ADDRESS)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whole or not at all: a reader never meets half a mail, and a name that starts with a point is no mail.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(message.as_bytes())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
