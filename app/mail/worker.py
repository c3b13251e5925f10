"""Sends what is in the outbox, one mail at a time, whatever happens.

Any number of workers may run. Logs name mails by their Message-ID and errors by their kind: addresses and texts stay
out of them.
"""

import logging
import threading

from app.kernel.database import connected
from app.mail import operations
from app.mail.delivery import RefusedError, deliver
from app.mail.queries import is_mail_due

_IDLE_SECONDS = 0.3
_AFTER_ERROR_SECONDS = 5

_log = logging.getLogger(__name__)


def run(stop: threading.Event) -> None:
    """Send mail until `stop` is set. Returns between two mails and never raises for an error of database or server."""
    while not stop.is_set():
        try:
            worked = send_next()
        except Exception as error:  # noqa: BLE001  (the mail must go out when the trouble is over, whatever it was)
            _log.error("the mail worker waits after an error: %s", type(error).__name__)
            stop.wait(_AFTER_ERROR_SECONDS)
        else:
            if not worked:
                stop.wait(_IDLE_SECONDS)


def send_next() -> bool:
    """Try the mail that has waited longest; return whether there was one.

    Claimed in one transaction and finished in another, so that the database is free while the mail server thinks.
    """
    with connected():
        if not is_mail_due():
            return False
        mail = operations.claim()
        if mail is None:
            return False
        try:
            deliver(mail)
        except RefusedError as error:
            _log.warning("mail %s was refused with %s", mail.message_id, error.code)
            operations.mark_refused(mail, error.code)
        except Exception as error:  # noqa: BLE001  (a mail is never given up for a reason that may pass)
            _log.warning("mail %s is tried again later: %s", mail.message_id, type(error).__name__)
            operations.postpone(mail)
        else:
            operations.mark_sent(mail)
        return True
