"""The worker that sends queued mail, one at a time, and survives every error.

Any number of workers may run. Logs contain the Message-ID of a mail and the type of an error, never addresses or texts.
"""

import logging
import threading

from app.kernel.database import connected
from app.mail import operations
from app.mail.delivery import MailRefusedError, deliver
from app.mail.queries import is_mail_due

_IDLE_SECONDS = 0.3
_AFTER_ERROR_SECONDS = 5

_log = logging.getLogger(__name__)


def run(stop: threading.Event) -> None:
    """Send mail until `stop` is set, which takes effect between two mails. Errors of database or server are logged."""
    while not stop.is_set():
        try:
            worked = send_next()
        except Exception as error:  # noqa: BLE001  (whatever fails, mail must be sent once it works again)
            _log.error("the mail worker waits after an error: %s", type(error).__name__)
            stop.wait(_AFTER_ERROR_SECONDS)
        else:
            if not worked:
                stop.wait(_IDLE_SECONDS)


def send_next() -> bool:
    """Try to send the mail that has waited longest, and return whether there was one.

    It is claimed in one transaction and finished in another, so that no lock is held while the mail server responds.
    """
    with connected():
        if not is_mail_due():
            return False
        mail = operations.claim()
        if mail is None:
            return False
        try:
            deliver(mail)
        except MailRefusedError as error:
            _log.warning("mail %s was refused with %s", mail.message_id, error.code)
            operations.mark_refused(mail, error.code)
        except Exception as error:  # noqa: BLE001  (only a permanent failure ends a mail)
            _log.warning("mail %s is tried again later: %s", mail.message_id, type(error).__name__)
            operations.postpone(mail)
        else:
            operations.mark_sent(mail)
        return True
