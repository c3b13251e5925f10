"""The laws that every view keeps: it asks, it says so, and nothing is changed by looking."""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

import app as house
from app.accounts.models import Session
from app.api.handlers import HANDLERS
from app.audit.models import Event
from app.authz import facts
from app.authz.information import directory
from app.config import Settings
from app.factory import create_app
from app.kernel.database import BaseModel
from app.memberships.models import Membership
from app.runtime import current
from app.ui.authorization import can, public, requires
from app.vocabulary import PERMISSIONS, Action, EventName, MembershipState
from tests.browsing import Browser
from tests.running import end, restored

pytestmark = pytest.mark.one_database

PRODUCTION = {"development": False, "public_url": "https://p.example"}
PortalWith = Callable[..., Flask]

STATIC = {"static", "bootstrap.static"}

# What people and programs have written down. A line that goes is a broken link somewhere: leave the old address a
# redirect, or say in the commit why nobody can miss it.
ADDRESSES = """
GET      /
     ANY /.well-known/authzen-configuration
     ANY /access/<anything:rest>
     ANY /access/v1/evaluation
     ANY /access/v1/evaluations
     ANY /access/v1/search/action
     ANY /access/v1/search/resource
     ANY /access/v1/search/subject
GET      /account
GET POST /account/name
GET POST /account/password
GET POST /activate/<string:token>
     ANY /authorize
     ANY /authorize/<anything:rest>
GET POST /choose-organisation
GET      /console/decisions
GET      /console/organisations
GET POST /console/organisations/add
GET POST /create-account
GET      /demo-service/<string:service_slug>
     ANY /docs
GET POST /forgotten-password
     ANY /health
     ANY /health/live
     ANY /health/ready
GET      /open/<string:service_slug>
GET      /open/<string:service_slug>/why
     ANY /openapi.json
GET      /organisations/<string:organisation_id>/users
GET POST /organisations/<string:organisation_id>/users/<string:membership_id>
GET POST /organisations/<string:organisation_id>/users/<string:membership_id>/cancel-invitation
    POST /organisations/<string:organisation_id>/users/<string:membership_id>/reactivate
GET POST /organisations/<string:organisation_id>/users/<string:membership_id>/remove
    POST /organisations/<string:organisation_id>/users/<string:membership_id>/resend-invitation
GET POST /organisations/<string:organisation_id>/users/<string:membership_id>/suspend
GET      /organisations/<string:organisation_id>/users/<string:membership_id>/why/<string:service_slug>
GET POST /organisations/<string:organisation_id>/users/add
GET      /outbox
GET      /outbox/<string:message_id>
     ANY /records/<anything:rest>
     ANY /records/<string:kind>/<anything:record_id>
GET POST /reset-password/<string:token>
GET POST /sign-in
    POST /sign-out
"""


@pytest.fixture
def rules(app: Flask) -> list[Rule]:
    """Every address of the portal but those of files."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint not in STATIC]


def methods(rule: Rule) -> set[str]:
    """Return what an address does, without what Flask adds of itself; of one that takes any method, also an odd one."""
    return (rule.methods or {"GET", "POST", "TRACE"}) - {"HEAD", "OPTIONS"}


def test_every_view_asks_the_policy_or_says_why_it_need_not(app: Flask, rules: list[Rule]) -> None:
    for rule in rules:
        guard = getattr(app.view_functions[rule.endpoint], "guard", None)
        assert guard, f"{rule.endpoint} needs @requires(action, load) or @public('why') below its route"
        if isinstance(guard, str):
            assert len(guard.split()) > 3, f"{rule.endpoint} is public, and {guard!r} is no reason"
        else:
            assert guard[0] in Action


def test_every_view_that_asks_about_a_fact_asks_what_the_policy_knows(app: Flask, rules: list[Rule]) -> None:
    for rule in rules:
        guard = app.view_functions[rule.endpoint].guard  # type: ignore[attr-defined]
        if not isinstance(guard, str) and isinstance(guard[1], facts.Fact):
            kind = type(guard[1]).__name__
            assert guard[0] in PERMISSIONS[kind], f"{rule.endpoint} asks {guard[0]} of {kind}, which is never allowed"


@pytest.fixture
def portal_with(app: Flask, settings: Settings) -> Iterator[PortalWith]:
    """A way to have one more portal, with a view at /toy and perhaps other settings."""
    made: list[Flask] = []

    def portal_with(view: Callable[[], Any], **changes: Any) -> Flask:
        with restored():
            portal = create_app(replace(settings, **changes), current().engine)
        portal.add_url_rule("/toy", "toy", view)
        made.append(portal)
        return portal

    yield portal_with
    end(*made)


def test_an_answer_that_leaves_without_a_decision_is_an_error_in_development(portal_with: PortalWith) -> None:
    portal = portal_with(lambda: "secret")
    portal.testing = True
    with pytest.raises(RuntimeError, match="toy answered without asking the policy"):
        portal.test_client().get("/toy")
    portal.testing = False
    answer = portal.test_client().get("/toy")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_no_surface_lets_an_answer_leave_without_a_decision(rules: list[Rule], portal_with: PortalWith) -> None:
    """Each blueprint has a gate, and all have the same: this law, which none of them can forget to be under."""
    portal = portal_with(lambda: "secret")
    portal.testing = True
    assert {rule.endpoint.partition(".")[0] for rule in rules} <= set(portal.blueprints)
    for surface in portal.blueprints:
        portal.add_url_rule(f"/{surface}/toy", f"{surface}.toy", lambda: "secret")
    for surface in portal.blueprints:
        with pytest.raises(RuntimeError, match=f"{surface}.toy answered without asking the policy"):
            portal.test_client().get(f"/{surface}/toy")


def test_an_answer_that_leaves_without_a_decision_is_forbidden_in_production(portal_with: PortalWith) -> None:
    portal = portal_with(lambda: "secret", **PRODUCTION)
    answer = portal.test_client().get("/toy", base_url="https://p.example")
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert "You cannot do this" in answer.text


NEVER = "launch is asked of Platform, which is never allowed"


def test_to_ask_what_can_never_be_done_is_an_error_in_development(portal_with: PortalWith) -> None:
    view = public("a toy for a test, no more")(lambda: str(can("launch", directory.PLATFORM)))
    portal = portal_with(view)
    portal.testing = True
    with pytest.raises(RuntimeError, match=NEVER):
        portal.test_client().get("/toy")
    portal = portal_with(view, **PRODUCTION)
    assert portal.test_client().get("/toy", base_url="https://p.example").text == "False"


def test_to_guard_with_what_can_never_be_done_is_an_error_in_development(portal_with: PortalWith) -> None:
    portal = portal_with(requires(Action.LAUNCH, directory.PLATFORM)(lambda: "secret"))
    portal.testing = True
    with pytest.raises(RuntimeError, match=NEVER):
        Browser(portal.test_client()).signed_in_as("olivia-marsh").get("/toy")


def test_an_error_in_production_says_a_number_and_nothing_of_the_error(portal_with: PortalWith) -> None:
    def broken() -> str:
        raise LookupError("the secret is Xanadu")

    portal = portal_with(public("a toy for a test, no more")(broken))
    answer = portal.test_client().get("/toy")
    assert answer.status_code == 500
    assert re.search(r"Error number: [0-9a-f]{8}\.", answer.text)
    assert "Xanadu" not in answer.text
    assert "LookupError" not in answer.text


def test_a_guard_on_the_platform_answers_who_may_not_with_not_found(portal_with: PortalWith) -> None:
    guard = requires(Action.ADD_ORGANISATION, directory.PLATFORM)
    portal = portal_with(guard(lambda: "secret"))
    browser = Browser(portal.test_client()).signed_in_as("olivia-marsh")
    assert browser.get("/toy").status == 404


def test_every_view_module_is_known_to_its_surface_and_every_surface_to_the_factory(app: Flask) -> None:
    for module in pkgutil.walk_packages(house.__path__, "app."):
        source = Path(importlib.util.find_spec(module.name).origin)  # type: ignore[union-attr,arg-type]
        if re.search(r"^@(blueprint\.|json_route)", source.read_text(), re.MULTILINE):
            surface = module.name.split(".")[1]
            assert module.name in sys.modules, f"import {module.name} in app/{surface}/__init__.py"
            assert surface in app.blueprints, f"register {surface} in app/factory.py"


def test_endpoints_are_named_like_their_surface_and_function(app: Flask, rules: list[Rule]) -> None:
    for rule in rules:
        view = app.view_functions[rule.endpoint]
        assert rule.endpoint == f"{view.__module__.split('.')[1]}.{view.__name__}"


def test_addresses_are_in_kebab_case_and_say_the_types_of_their_parts(rules: list[Rule]) -> None:
    for rule in rules:
        fixed = re.sub(r"<[a-z]+:[a-z_]+>", "", rule.rule)
        assert re.fullmatch(r"[a-z0-9/.-]*", fixed), f"{rule.rule}: kebab-case, and <type:name> for each part"
        assert not fixed.endswith("/") or rule.rule == "/" or rule.rule.endswith(">")


def test_no_address_vanishes_or_appears_without_thought(rules: list[Rule]) -> None:
    found: dict[str, set[str]] = {}
    for rule in rules:
        found.setdefault(rule.rule, set()).update(methods(rule))
    lines = [
        f"{'' if 'TRACE' in verbs else 'GET' if 'GET' in verbs else '':<3} "
        f"{'ANY' if 'TRACE' in verbs else 'POST' if 'POST' in verbs else '':>4} {path}".lstrip("\n")
        for path, verbs in sorted(found.items())
    ]
    assert lines == ADDRESSES.strip("\n").splitlines(), "change the list in this file together with the addresses"


def test_the_door_before_flask_answers_no_address_that_flask_does_not_know(rules: list[Rule]) -> None:
    assert set(HANDLERS) <= {rule.rule for rule in rules}, "whatever the door answers, a view answers too, and asks"


def filled(rule: Rule, **parts: str) -> str:
    """Return an address of `rule` with its parts filled in."""
    return str(
        rule.build({name: parts.get(name, "nobody") for name in rule.arguments}, append_unknown=False)[1]  # type: ignore[index]
    )


def test_nothing_is_changed_without_a_token_against_forged_forms(app: Flask, rules: list[Rule]) -> None:
    browser = Browser(app.test_client()).signed_in_as("olivia-marsh")
    before = contents()
    for rule in rules:
        # Programs bring a key, not a cookie, so nobody can make them do what they do not want.
        if "POST" in methods(rule) and not rule.endpoint.startswith("api."):
            path = filled(rule, organisation_id="northfield", membership_id="thomas-reed@northfield")
            for token in ({}, {"csrf_token": ""}, {"csrf_token": "nonsense"}):
                answer = browser.client.post(path, data=token)
                assert answer.status_code == 400, f"{path} takes a form without a good token"
                assert "copy what you typed, reload the page and try again" in answer.text
    assert contents() == before


@pytest.mark.slow
def test_looking_changes_nothing(app: Flask, rules: list[Rule]) -> None:
    browser = Browser(app.test_client()).signed_in_as("olivia-marsh")
    before = contents()
    for rule in rules:
        path = filled(
            rule,
            organisation_id="northfield",
            membership_id="ben-castle@northfield",
            service_slug="submit-for-assessment",
        )
        for method in ("GET", "HEAD", "OPTIONS"):
            browser.client.open(path, method=method)
    assert contents(EventName.SERVICE_OPENED, EventName.REFUSED) == before


def contents(*but: EventName) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that is stored, but when a browser was last seen, and events named one of `but`."""
    found = {}
    for model in kinds(BaseModel):
        query = model.select(*[field for field in model._meta.sorted_fields if field is not Session.seen_at])
        if model is Event:
            query = query.where(Event.name.not_in(but))
        found[model.__name__] = sorted(query.tuples(), key=str)
    return found


def kinds(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Return every kind of row."""
    for kind in model.__subclasses__():
        # Migrations have classes of their own with the same names.
        if kind.__module__.startswith("app.") and "migrations" not in kind.__module__:
            yield kind
            yield from kinds(kind)


def test_who_has_left_is_nowhere(app: Flask) -> None:
    ended = Membership.get(Membership.public_id == "martin-shaw@northfield")
    assert ended.state == MembershipState.ENDED
    assert directory.memberships([ended]) == [None]
