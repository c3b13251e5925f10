"""Authentication of pages: flask-login, with sessions in the database so that they can be ended from there."""

from contextlib import suppress
from typing import Any

from flask import Flask, Request, Response, g, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import AnonymousUserMixin, LoginManager, current_user, login_user, logout_user
from itsdangerous import BadSignature

from app.accounts.models import Person, Session
from app.accounts.operations import end_session, start_session, touch_session
from app.accounts.queries import session_holder, session_of


class _Sessions(SecureCookieSessionInterface):
    """The session cookie. flask-login reads it for every response, but a message for programs never depends on it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """Return what is in the cookie, whatever the clock says.

        A cookie from a machine whose clock is a second ahead would be refused. When a session ends is in the database.
        """
        serializer, cookie = self.get_signing_serializer(app), request.cookies.get(self.get_cookie_name(app))
        if serializer is not None and cookie:
            with suppress(BadSignature):
                return self.session_class(serializer.loads(cookie))
        return self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie if it has changed, and have caches vary by it."""
        if response.mimetype != "application/json":
            super().save_session(app, session, response)


class SignedIn:
    """The signed-in person of a request, in the form that flask-login expects."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, session: Session, token: str) -> None:
        self.session = session
        self.person: Person = session.person
        self._token = token

    def get_id(self) -> str:
        """Return the token that the cookie holds."""
        return self._token


def sign_in(person: Person) -> None:
    """Start a session for `person` in this browser."""
    token = start_session(person)
    started = session_of(token)
    if started is not None:
        login_user(SignedIn(started, token))


def sign_out() -> None:
    """End the session of this browser, here and in the database."""
    if current_user.is_authenticated:
        end_session(current_user.session)
        logout_user()
    session.clear()
    g.pop("actor", None)


def signed_in_person() -> Person | None:
    """Return the person who is signed in, or None."""
    return current_user.person if current_user.is_authenticated else None


def is_session_open() -> bool:
    """Return whether the session of this request has not been ended meanwhile."""
    return session_of(current_user.get_id()) is not None


def continue_as_guest() -> None:
    """Treat the rest of this request as that of a guest."""
    g._login_user = AnonymousUserMixin()  # noqa: SLF001  (flask-login has no other way that leaves the cookie alone)
    g.pop("actor", None)


def previous_person() -> Person | None:
    """Return the person whose session in this browser has ended, or None."""
    token = session.get("_user_id")
    return session_holder(token) if token and not current_user.is_authenticated else None


def init_app(app: Flask) -> None:
    """Have flask-login find the session of each request."""
    app.session_interface = _Sessions()
    manager = LoginManager()
    # A session is bound to its token; binding it to an address too would sign people out on the move.
    manager.session_protection = None
    manager.init_app(app)

    @manager.user_loader  # type: ignore[untyped-decorator]  # flask-login has no types
    def load(token: str) -> Any:
        found = session_of(token)
        if found is None:
            return None
        touch_session(found)
        return SignedIn(found, token)
