"""Changes to active accounts: sessions, passwords and details."""

from datetime import timedelta

from app.accounts.models import PasswordReset, Person, Session
from app.accounts.passwords import hash_password
from app.accounts.queries import open_reset, person_with_address, primary_address, reference_of
from app.audit.operations import GUEST, record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.metrics import sign_ins
from app.kernel.tokens import hash_token, new_token
from app.mail import letters
from app.mail.operations import queue
from app.vocabulary import EventName, PersonState

RESET_LASTS = timedelta(hours=1)
_SEEN_EVERY = timedelta(minutes=1)


@change
def start_session(person: Person) -> str:
    """Sign `person` in and return the token that the browser keeps."""
    token = new_token()
    moment = clock.now()
    Session.create(token_hash=hash_token(token), person=person, started_at=moment, seen_at=moment)
    person.last_sign_in_at = moment
    person.save(only=[Person.last_sign_in_at])
    sign_ins.labels("signed_in").inc()
    record(EventName.SIGNED_IN, by=person.reference, subject=person.reference)
    return token


def touch_session(session: Session) -> None:
    """Note that the browser is in use: once a minute at most, so that pages rarely wait for the write lock.

    A session that began or was used in the future, by a clock that was wrong, would not end in time, and begins now.
    """
    moment, is_steady = clock.now(), clock.is_steady()
    if is_steady and max(session.started_at, session.seen_at) > moment + clock.CLOCKS_DIFFER:
        Session.update(started_at=min(session.started_at, moment), seen_at=moment).where(
            Session.id == session.id
        ).execute()
    elif moment - session.seen_at > _SEEN_EVERY:
        Session.update(seen_at=moment).where(Session.id == session.id).execute()


@change
def end_session(session: Session) -> None:
    """Sign one browser out."""
    Session.update(ended_at=clock.now()).where(Session.id == session.id, Session.ended_at.is_null()).execute()
    record(EventName.SESSION_ENDED, by=session.person.reference, subject=session.person.reference)


@change
def note_failed_sign_in(person: Person | None) -> None:
    """Record a failed sign-in, with the person if the address is known. The address itself is not recorded."""
    sign_ins.labels("failed").inc()
    record(EventName.SIGN_IN_FAILED, by=GUEST, subject=person.reference if person else "person:unknown")


@change
def change_name(person: Person, name: str, *, by: Person | None) -> None:
    """Give `person` another name."""
    person.name = name
    person.save(only=[Person.name])
    record(EventName.DETAILS_CHANGED, by=reference_of(by), subject=person.reference, fields=["name"])


@change
def change_password(person: Person, password_hash: str, *, keep: Session | None, by: str) -> None:
    """Give `person` a new password, sign out every browser but `keep`, and notify them by mail.

    Open password resets end too: somebody else may have asked for them.
    """
    person.password_hash = password_hash
    person.save(only=[Person.password_hash])
    others = Session.update(ended_at=clock.now()).where(Session.person == person, Session.ended_at.is_null())
    if keep is not None:
        others = others.where(Session.id != keep.id)
    others.execute()
    PasswordReset.update(used_at=clock.now()).where(
        PasswordReset.person == person, PasswordReset.used_at.is_null()
    ).execute()
    queue(primary_address(person), *letters.password_changed(person.name), urgent=True)
    record(EventName.PASSWORD_CHANGED, by=by, subject=person.reference)


@change
def ask_password_reset(address: str) -> None:
    """Mail a password reset to `address`, if it belongs to an active person.

    The caller does not learn whether it does, so the page does not reveal whose address is known.
    """
    person = person_with_address(address)
    if person is None or person.state != PersonState.ACTIVE:
        return
    token = new_token()
    PasswordReset.create(
        token_hash=hash_token(token), person=person, created_at=clock.now(), ends_at=clock.now() + RESET_LASTS
    )
    queue(address, *letters.password_reset(person.name, token), urgent=True)
    record(EventName.PASSWORD_RESET_ASKED, by=GUEST, subject=person.reference)


def reset_password(token: str, password: str) -> Person:
    """Set a new password with the reset link of `token`, which cannot be used again.

    Raises `ProblemError` when the link does not work any more.
    """
    # Hashing is slow on purpose, so it happens before the write lock is taken.
    return _reset_password(token, hash_password(password))


@change
def _reset_password(token: str, password_hash: str) -> Person:
    reset = open_reset(token)
    if reset is None:
        raise ProblemError("This link has been used already or is out of date. Ask for a new one.")
    change_password(reset.person, password_hash, keep=None, by=reset.person.reference)
    return reset.person
