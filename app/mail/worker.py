"""The worker that sends queued mail, one at a time, and survives every error.

Any number of workers may run. Logs contain the Message-ID of a mail and the type of an error, never addresses or texts.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic

from app.kernel.database import connected
from app.kernel.ids import new_public_id
from app.mail import operations
from app.mail.delivery import Delivery, MailRefusedError
from app.mail.models import Mail
from app.mail.queries import claims, is_mail_due

_IDLE_SECONDS = 0.3
_AFTER_ERROR_SECONDS = 5
_RENEWAL_SECONDS = 2
"""How often a worker shows that it is still sending a mail."""
_SILENT_SECONDS = 10
"""After which silence its mail is another's."""
_TIDY_SECONDS = 3600

_log = logging.getLogger(__name__)


class Worker:
    """Sends mail over a connection that it keeps while there is more, and does the `tidies` of others between mails."""

    def __init__(self, *tidies: Callable[[], int]) -> None:
        self.name = new_public_id()
        self._tidies = (operations.forget_old, *tidies)
        """What is done every hour: each deletes some of what is old, and returns how much."""
        self._delivery = Delivery()
        self._seen: dict[str, tuple[datetime, float]] = {}
        """The claims of other workers, and when by this machine's own count each was seen first."""
        self._tidied = monotonic() - _TIDY_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Send mail until `stop` is set, which takes effect between two mails. Errors are logged."""
        while not stop.is_set():
            try:
                worked = self.send_next()
                self._tidy()
            except Exception as error:  # noqa: BLE001  (whatever fails, mail must be sent once it works again)
                _log.error("the mail worker waits after an error: %s", type(error).__name__)
                stop.wait(_AFTER_ERROR_SECONDS)
            else:
                if not worked:
                    self._delivery.rest()
                    stop.wait(_IDLE_SECONDS)
        self.close()

    def close(self) -> None:
        """Close the connection to the mail server."""
        self._delivery.close()

    def send_next(self) -> bool:
        """Try to send the mail that comes first, and return whether there was one.

        It is claimed in one transaction and finished in another, so no lock is held while the mail server responds.
        """
        with connected():
            silent = self._silent_workers()
            if not silent and not is_mail_due():
                return False
            mail = operations.claim(self.name, silent)
            if mail is None:
                return False
            try:
                with _renewed(mail):
                    self._delivery.deliver(mail)
            except MailRefusedError as error:
                _log.warning("mail %s was refused with %s", mail.message_id, error.code)
                operations.mark_refused(mail, error.code)
            except Exception as error:  # noqa: BLE001  (only a permanent failure ends a mail)
                _log.warning("mail %s is tried again later: %s", mail.message_id, type(error).__name__)
                operations.postpone(mail, str(getattr(error, "smtp_code", type(error).__name__)))
            else:
                operations.mark_sent(mail)
            return True

    def _silent_workers(self) -> list[str]:
        """Return the workers that have claimed a mail and not been heard of since, so that they have died.

        They are judged by how long nothing changes, because clocks differ and jump.
        """
        moment = monotonic()
        present = {name: until for name, until in claims().items() if name != self.name}
        self._seen = {
            name: self._seen[name] if self._seen.get(name, (None,))[0] == until else (until, moment)
            for name, until in present.items()
        }
        return [name for name, (_until, since) in self._seen.items() if moment - since > _SILENT_SECONDS]

    def _tidy(self) -> None:
        if monotonic() - self._tidied < _TIDY_SECONDS:
            return
        self._tidied = monotonic()
        with connected():
            for tidy in self._tidies:
                while tidy():
                    pass


@contextmanager
def _renewed(mail: Mail) -> Iterator[None]:
    """Renew the claim of `mail` during the block, however long the mail server takes."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEWAL_SECONDS):
            try:
                with connected():
                    operations.renew(mail)
            except Exception as error:  # noqa: BLE001  (tried again in a moment)
                _log.warning("mail %s could not be kept claimed: %s", mail.message_id, type(error).__name__)

    thread = threading.Thread(target=renew, name="claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
