"""Delivery of a mail to the SMTP server, or to a file if none is configured."""

import os
import smtplib
import ssl
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from time import monotonic
from urllib.parse import unquote, urlsplit

from app.kernel.files import sync_folder
from app.mail.models import Mail
from app.mail.queries import outbox_path
from app.runtime import settings

TIMEOUT = 20
"""How long to wait for a reply of the mail server, in seconds."""
_REST_SECONDS = 5
"""How long a connection is kept for the next mail."""
_MOST_MAILS = 50
"""How many mails go over one connection; some servers take no more than a hundred."""
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


class Delivery:
    """Delivers one mail after the other, and keeps the connection to the mail server for a while."""

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        self._used = 0.0

    def deliver(self, mail: Mail) -> None:
        """Deliver `mail`.

        Raises `MailRefusedError` for a permanent failure, and OSError or SMTPException for one that may pass.
        """
        message = _message(mail)
        if not settings().smtp_url:
            _write_file(message, mail.message_id)
            return
        try:
            _send(message, self._connection())
        except MailRefusedError:
            raise
        except BaseException:
            # Whatever it was in the middle of, a new connection is at the beginning.
            self.close()
            raise
        self._sent += 1
        self._used = monotonic()

    def rest(self) -> None:
        """Close the connection if nothing was sent for a while."""
        if self._smtp is not None and monotonic() - self._used > _REST_SECONDS:
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one. Mail that was accepted stays accepted, even if that fails."""
        smtp, self._smtp, self._sent = self._smtp, None, 0
        if smtp is not None:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _connection(self) -> smtplib.SMTP:
        if self._sent >= _MOST_MAILS:
            self.close()
        if self._smtp is not None and not _answers(self._smtp):
            self.close()
        if self._smtp is None:
            self._smtp = _connect(settings().smtp_url)
        return self._smtp


def _answers(smtp: smtplib.SMTP) -> bool:
    """Return whether the mail server has kept the connection since the last mail."""
    try:
        code, _words = smtp.noop()
    except (smtplib.SMTPException, OSError):
        return False
    return code < 400


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


def _send(message: EmailMessage, smtp: smtplib.SMTP) -> None:
    try:
        smtp.send_message(message, from_addr=parseaddr(settings().mail_from)[1])
    except smtplib.SMTPRecipientsRefused as error:
        code = max((code for code, _answer in error.recipients.values()), default=0)
        if code >= 500:
            raise MailRefusedError(code) from error
        raise smtplib.SMTPResponseException(code, "") from error
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= 500:
            raise MailRefusedError(error.smtp_code) from error
        raise
    except smtplib.SMTPNotSupportedError as error:
        # The local part of the address is not ASCII, and the server lacks SMTPUTF8.
        raise MailRefusedError(_BAD_ADDRESS) from error


def _connect(url: str) -> smtplib.SMTP:
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
    except BaseException:
        smtp.close()
        raise
    return smtp


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
    sync_folder(path.parent)
