"""Asking the policy from a view, and the law that every view must ask.

A view carries `@requires(action, load)` or `@public("why")`. A response that leaves without a recorded decision is a
programming error: 500 in development and tests, 403 in production.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from app.accounts.models import Person
from app.authz import facts
from app.authz.decision_point import Decision, decide
from app.authz.information import directory
from app.kernel.database import changing
from app.memberships.models import Membership
from app.organisations.models import Organisation
from app.runtime import settings
from app.services.models import Role, Service
from app.ui.authentication import serve_nobody, session_goes_on, signed_in_person
from app.vocabulary import PERMISSIONS, Action

Thing = facts.Fact | Person | Organisation | Membership | Service
View = Callable[..., ResponseReturnValue]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RefusedError(Exception):
    """The actor may not do `action` to `fact`, or there is no such thing, which is None.

    Where they may not even know of it (`hidden`), both are told alike, and take alike.
    """

    def __init__(self, action: Action, fact: facts.Fact | None, *, hidden: bool) -> None:
        super().__init__(action)
        self.action = action
        self.fact = fact
        self.hidden = hidden


def actor() -> facts.Fact:
    """Return the facts of whoever is at the door, read once a request."""
    if "actor" not in g:
        person = signed_in_person()
        g.actor = (person and directory.person(person.id)) or directory.GUEST
    known: facts.Fact = g.actor
    return known


def fact_of(thing: Thing) -> facts.Fact | None:
    """Return the facts of a row; a fact is its own. None for a membership that has ended."""
    if isinstance(thing, facts.Fact):
        return thing
    if isinstance(thing, Organisation):
        return directory.organisation(thing)
    if isinstance(thing, Service):
        return directory.service(thing)
    if isinstance(thing, Person):
        return directory.person(thing.id)
    return directory.memberships([thing])[0]


def asked_about() -> facts.Fact:
    """Return the facts of the thing that the address of this view names, as they were when its guard asked."""
    fact: facts.Fact = g.asked_about
    return fact


def role_at(role: Role, organisation: Organisation) -> facts.Role:
    """Return the facts of `role` as held at `organisation`."""
    return directory.role(role, directory.organisation(organisation))


def ask(action: Action, fact: facts.Fact) -> Decision:
    """Return whether whoever is at the door may do `action`, acting in the organisation of the page.

    Raises `RuntimeError` in development and tests when this can never be done to such a thing: what is drawn by the
    answer would be missing from the page, and nobody would see why.
    """
    kind = type(fact).__name__
    if action not in PERMISSIONS.get(kind, ()) and _is_strict():
        raise RuntimeError(f"{action} is asked of {kind}, which is never allowed")
    g.asked = True
    acting = g.get("acting")
    return decide(actor(), action, fact, facts.Context(directory.organisation(acting) if acting else None))


def can(action: str, thing: Thing) -> bool:
    """Return the answer to `ask` for templates, which draw by it and never by role names. Raises like `ask`."""
    fact = fact_of(thing)
    return fact is not None and ask(Action(action), fact).allowed


def requires(action: Action, load: Callable[..., Any] | facts.Fact) -> Callable[[View], View]:
    """Guard a view: load the thing that its address names, ask, and only then run the view.

    `load` takes the parts of the address and returns the thing or None (404), or is the thing itself, in which case
    the view takes no argument. A view that changes something runs as one transaction, the decision included: what was
    true when the policy was asked is still true when the change is kept.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(**address: str) -> ResponseReturnValue:
            if isinstance(actor(), facts.Guest):
                return _ask_who_is_there()
            if request.method in SAFE_METHODS:
                return _asked(action, load, view, address)
            # Read again inside the lock: what was known before may have been changed by somebody who was first.
            with changing():
                if not session_goes_on():
                    serve_nobody()
                    return _ask_who_is_there()
                g.pop("actor", None)
                return _asked(action, load, view, address)

        guarded.guard = (action, load)  # type: ignore[attr-defined]  # an attribute of ours
        return guarded

    return wrap


def public(why: str) -> Callable[[View], View]:
    """Mark a view that anybody may reach, and say why."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(**address: str) -> ResponseReturnValue:
            g.asked = True
            return view(**address)

        guarded.guard = why  # type: ignore[attr-defined]  # an attribute of ours
        return guarded

    return wrap


def _ask_who_is_there() -> ResponseReturnValue:
    g.asked = True
    answer: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]  # flask-login sets it
    return answer


def _asked(
    action: Action, load: Callable[..., Any] | facts.Fact, view: View, address: dict[str, str]
) -> ResponseReturnValue:
    thing = load if isinstance(load, facts.Fact) else load(**address)
    fact = None if thing is None else fact_of(thing)
    g.asked = True
    if fact is None:
        raise RefusedError(action, None, hidden=True)
    g.asked_about = fact
    if not ask(action, fact).allowed:
        may_know = isinstance(fact, facts.Portal) or (
            not isinstance(fact, facts.Platform) and ask(Action.READ, fact).allowed
        )
        raise RefusedError(action, fact, hidden=not may_know)
    return view() if thing is load else view(thing)


def init_app(app: Flask) -> None:
    """Refuse every response that leaves without a decision, and let templates ask.

    In development and tests such a response is a `RuntimeError`.
    """
    app.jinja_env.globals["can"] = can

    @app.after_request
    def no_answer_without_a_decision(response: Any) -> Any:
        if not (g.get("asked") or request.endpoint is None or response.status_code >= 400 or is_static()):
            if _is_strict():
                raise RuntimeError(f"{request.endpoint} answered without asking the policy: add @requires or @public")
            # Raised here, it would be a 500: Flask has done with the error pages by now.
            return current_app.make_response(current_app.handle_user_exception(Forbidden()))
        return response


def _is_strict() -> bool:
    return current_app.testing or settings().development


def is_static() -> bool:
    """Return whether the request is for a file that is the same for everybody."""
    return request.endpoint in {"static", "bootstrap.static"}
