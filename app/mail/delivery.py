"""Delivery of a mail to the SMTP server, or to a file if none is configured."""

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
"""How long to wait for a reply of the mail server, in seconds."""
_PORTS = {"smtps": 465, "smtp": 25}
_SUBMISSION_PORT = 587
_BAD_ADDRESS = 553
"""The SMTP reply to an invalid address, which is assumed for addresses that cannot be sent at all."""
# Some servers still accept seven bits only.
_POLICY = SMTP.clone(cte_type="7bit")


class MailRefusedError(Exception):
    """The mail server refused this mail permanently, with the reply `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server answered {code}")
        self.code = code


def deliver(mail: Mail) -> None:
    """Deliver `mail`.

    Raises `MailRefusedError` for a permanent failure, and OSError or SMTPException for one that may pass.
    """
    message = _message(mail)
    if settings().smtp_url:
        _send(message, settings().smtp_url)
    else:
        _write_file(message, mail.message_id)


def _message(mail: Mail) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = mail.message_id
    # The time of creation, so that a mail that is sent twice is identical.
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
        raise MailRefusedError(_BAD_ADDRESS) from error


def _send(message: EmailMessage, url: str) -> None:
    with _connection(url) as smtp:
        try:
            smtp.send_message(message, from_addr=parseaddr(settings().mail_from)[1])
        except smtplib.SMTPRecipientsRefused as error:
            code = max((code for code, _answer in error.recipients.values()), default=0)
            if code >= 500:
                raise MailRefusedError(code) from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= 500:
                raise MailRefusedError(error.smtp_code) from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            # The local part of the address is not ASCII, and the server lacks SMTPUTF8.
            raise MailRefusedError(_BAD_ADDRESS) from error


@contextmanager
def _connection(url: str) -> Iterator[smtplib.SMTP]:
    """Connect to the mail server at `url`, with the encryption and credentials that `url` says."""
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
                smtp.starttls(context=_tls(verify=bool(parts.username)))
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
        yield smtp
    finally:
        # Mail that was accepted stays accepted, even if QUIT fails.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _tls(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        # A local relay has a self-signed certificate, and the alternative is no encryption at all.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _write_file(message: EmailMessage, message_id: str) -> None:
    path = outbox_path(settings().data_dir, message_id.strip("<>"))
    if path is None:
        raise MailRefusedError(_BAD_ADDRESS)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written atomically: readers never see half a mail, and they ignore names that start with a dot.
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
