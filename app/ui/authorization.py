"""The policy enforcement point of pages: every view asks the policy, and no response leaves without a decision.

A view carries `@requires(action, load)` or `@public("why")`. A response without a decision is a programming error: 500
in development and tests, 403 in production.
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
from app.ui.authentication import continue_as_guest, is_session_open, signed_in_person
from app.vocabulary import PERMISSIONS, Action

Resource = facts.Fact | Person | Organisation | Membership | Service
"""What can be asked about: a fact, or a row of which one is made."""
View = Callable[..., ResponseReturnValue]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RefusedError(Exception):
    """The actor may not do `action` to `fact`, or there is no such resource (None).

    If they may not even know that it exists (`hidden`), both are answered alike, and take the same time.
    """

    def __init__(self, action: Action, fact: facts.Fact | None, *, hidden: bool) -> None:
        super().__init__(action)
        self.action = action
        self.fact = fact
        self.hidden = hidden


def actor() -> facts.Fact:
    """Return the facts of the signed-in person, or the guest; read once per request."""
    if "actor" not in g:
        person = signed_in_person()
        g.actor = (person and directory.person(person.id)) or directory.GUEST
    return g.actor


def fact_of(resource: Resource) -> facts.Fact | None:
    """Return the fact that a row becomes; a fact is returned as it is. None for a membership that has ended."""
    if isinstance(resource, facts.Fact):
        return resource
    if isinstance(resource, Organisation):
        return directory.organisation(resource)
    if isinstance(resource, Service):
        return directory.service(resource)
    if isinstance(resource, Person):
        return directory.person(resource.id)
    return directory.memberships([resource])[0]


def guarded_fact() -> facts.Fact:
    """Return the fact of the resource in the address of this view, as it was when the guard asked about it."""
    return g.guarded_fact


def role_at(role: Role, organisation: Organisation) -> facts.Role:
    """Return the facts of `role` as held at `organisation`."""
    return directory.role(role, directory.organisation(organisation))


def ask(action: Action, fact: facts.Fact) -> Decision:
    """Return whether the actor of this request may do `action`, in the organisation that the page acts in.

    Raises `RuntimeError` in development and tests when no such permission exists: a part of the page that depends on
    the decision would be missing, and nothing would show why.
    """
    kind = type(fact).__name__
    if action not in PERMISSIONS.get(kind, ()) and _is_strict():
        raise RuntimeError(f"{action} is asked of {kind}, which is never allowed")
    g.asked = True
    acting = g.get("acting")
    return decide(actor(), action, fact, facts.Context(directory.organisation(acting) if acting else None))


def can(action: str, resource: Resource) -> bool:
    """Return the decision of `ask` for templates, which depend on it and never on role names. Raises like `ask`."""
    fact = fact_of(resource)
    return fact is not None and ask(Action(action), fact).allowed


def requires(action: Action, load: Callable[..., Any] | facts.Fact) -> Callable[[View], View]:
    """Guard a view: load the resource that its address names, ask the policy, and only then run the view.

    `load` takes the parts of the address and returns the resource or None (404), or is the resource itself, in which
    case the view takes no argument. A view that changes something runs in one transaction with the decision: what was
    true when the policy decided is still true when the change is committed.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(**address: str) -> ResponseReturnValue:
            if isinstance(actor(), facts.Guest):
                return _require_sign_in()
            if request.method in SAFE_METHODS:
                return _asked(action, load, view, address)
            # Read again inside the lock: what was read before may have been changed by another request.
            with changing():
                if not is_session_open():
                    continue_as_guest()
                    return _require_sign_in()
                g.pop("actor", None)
                return _asked(action, load, view, address)

        guarded.guard = (action, load)  # type: ignore[attr-defined]
        return guarded

    return wrap


def public(why: str) -> Callable[[View], View]:
    """Mark a view as open to everybody, and say why."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(**address: str) -> ResponseReturnValue:
            g.asked = True
            return view(**address)

        guarded.guard = why  # type: ignore[attr-defined]
        return guarded

    return wrap


def _require_sign_in() -> ResponseReturnValue:
    g.asked = True
    answer: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]  # flask-login sets it
    return answer


def _asked(
    action: Action, load: Callable[..., Any] | facts.Fact, view: View, address: dict[str, str]
) -> ResponseReturnValue:
    resource = load if isinstance(load, facts.Fact) else load(**address)
    fact = None if resource is None else fact_of(resource)
    g.asked = True
    if fact is None:
        raise RefusedError(action, None, hidden=True)
    g.guarded_fact = fact
    if not ask(action, fact).allowed:
        may_know = isinstance(fact, facts.Portal) or (
            not isinstance(fact, facts.Platform) and ask(Action.READ, fact).allowed
        )
        raise RefusedError(action, fact, hidden=not may_know)
    return view() if resource is load else view(resource)


def init_app(app: Flask) -> None:
    """Refuse every response that leaves without a decision, and let templates ask.

    In development and tests such a response is a `RuntimeError`.
    """
    app.jinja_env.globals["can"] = can

    @app.after_request
    def refuse_response_without_decision(response: Any) -> Any:
        if not (g.get("asked") or request.endpoint is None or response.status_code >= 400 or is_static()):
            if _is_strict():
                raise RuntimeError(f"{request.endpoint} answered without asking the policy: add @requires or @public")
            # If it were raised here, it would be a 500: the error pages have been left behind by now.
            return current_app.make_response(current_app.handle_user_exception(Forbidden()))
        return response


def _is_strict() -> bool:
    return current_app.testing or settings().development


def is_static() -> bool:
    """Return whether the request is for a file that is the same for everybody."""
    return request.endpoint in {"static", "bootstrap.static"}
