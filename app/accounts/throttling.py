"""Throttling of sign-ins and mail, without letting a stranger lock a person out.

Attempts are counted before the password is verified, so that concurrent guesses count too. The tight limit is for one
e-mail address tried from one network address; the wide ones stop guessing spread over many of either.
(Cyber Essentials: at most 10 guesses in 5 minutes; ASVS 5.0, 6.1.1: never a lock-out.)
"""

from datetime import timedelta

from app.accounts.models import Attempts
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.metrics import throttled
from app.kernel.tokens import hash_token

WINDOW = timedelta(minutes=15)
PER_ADDRESS_AND_SOURCE = 10
PER_ADDRESS = 60
PER_SOURCE = 300
MAILS_PER_ADDRESS = 5


class TooManyAttemptsError(ProblemError):
    """Too many attempts; the message says what to do."""

    def __init__(self) -> None:
        super().__init__("There have been too many tries. Wait 15 minutes, then try again.")


def count_sign_in(address: str, source: str) -> None:
    """Count an attempt to sign in as `address` from `source`, a network address. Raises `TooManyAttemptsError`."""
    _count(
        (f"sign-in {address} {source}", PER_ADDRESS_AND_SOURCE),
        (f"sign-in {address}", PER_ADDRESS),
        (f"sign-in from {source}", PER_SOURCE),
    )


def forget_sign_in(address: str, source: str) -> None:
    """Reset the counts after a successful sign-in."""
    _forget(f"sign-in {address} {source}", f"sign-in {address}")


def count_mail(address: str, source: str) -> None:
    """Count a mail to `address` that was requested from `source`, a network address or an organisation.

    Raises `TooManyAttemptsError`.
    """
    _count((f"mail {address}", MAILS_PER_ADDRESS), (f"mail from {source}", PER_SOURCE))


@change
def _forget(*keys: str) -> None:
    Attempts.delete().where(Attempts.key_hash.in_([hash_token(key) for key in keys])).execute()


def _count(*limits: tuple[str, int]) -> None:
    if any(_attempts(key) > limit for key, limit in limits):
        throttled.labels(limits[0][0].partition(" ")[0]).inc()
        raise TooManyAttemptsError


@change
def _attempts(key: str) -> int:
    moment = clock.now()
    # What began in the future, by a clock that was wrong, would lock somebody out until then.
    Attempts.delete().where((Attempts.since < moment - WINDOW) | (Attempts.since > moment + WINDOW)).execute()
    row, _created = Attempts.get_or_create(key_hash=hash_token(key), defaults={"since": moment})  # type: ignore[no-untyped-call]  # peewee has no types
    row.count += 1
    row.save(only=[Attempts.count])
    return int(row.count)
