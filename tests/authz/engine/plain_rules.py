"""The shipped policy once more, in the plainest Python: slow, and obviously right.

Written from the sentences of the policy's meaning, not from its rules, to be compared with what the engine decides.
"""

from datetime import datetime

from app.authz import facts
from tests.authz.engine.random_facts import MANAGES

STAFF_PERMISSIONS = {
    "support": {"add_organisation", "list_organisations", "read_decisions"},
    "auditor": {"list_organisations", "read_decisions"},
}

OPERATOR_PERMISSIONS = {
    "Client": {"end", "rotate"},
    "Organisation": {"add_person", "change", "change_state", "merge"},
    "Person": {"change_details", "change_staff_roles", "change_state", "sign_out"},
    "Platform": {"add_client", "add_organisation", "add_service", "add_staff"},
    "Role": {"change", "change_state", "give"},
    "Service": {"change", "change_state"},
}


def allowed(actor: facts.Fact, action: str, thing: facts.Fact, context: facts.Context, now: datetime) -> bool:
    """Return what the sentences say."""
    if isinstance(actor, facts.Guest):
        return isinstance(thing, facts.Portal) and action == "create_account"
    if isinstance(actor, facts.Client):
        return actor.state == "active" and _client_may(actor, action, thing, context)
    if isinstance(actor, facts.Operator):
        return _operator_may(action, thing)
    assert isinstance(actor, facts.Person)
    return actor.state == "active" and _person_may(actor, action, thing, context, now)


def _client_may(client: facts.Client, action: str, thing: facts.Fact, context: facts.Context) -> bool:
    match thing:
        case facts.Evaluation():
            is_own = client.service is not None and thing.service == client.service
            return action in {"ask", "register"} and is_own and thing.kind in client.kinds
        case facts.Person():
            holds = any(
                client.service is not None and grant.role.service == client.service
                for held in thing.memberships
                if context.organisation in (None, held.organisation)
                for grant in held.grants
            )
            return action == "learn_about" and (client.knows_everybody or holds)
    return False


def _operator_may(action: str, thing: facts.Fact) -> bool:
    if isinstance(thing, facts.Membership):
        return action in {"change_roles", "remove"} or _fits(
            action, thing, {"suspend", "reactivate", "resend_invitation"}
        )
    return action in OPERATOR_PERMISSIONS.get(type(thing).__name__, ())


def _fits(action: str, membership: facts.Membership, changes: set[str]) -> bool:
    """Return whether `action` is one of these `changes` and can be done with a membership in its state."""
    if action not in changes:
        return False
    return {
        "suspend": membership.state == "active",
        "reactivate": membership.state == "suspended",
        "resend_invitation": membership.person.state == "invited",
        "cancel_invitation": membership.person.state == "invited",
    }[action]


def _person_may(  # noqa: C901  (one case after the other, each a sentence)
    person: facts.Person, action: str, thing: facts.Fact, context: facts.Context, now: datetime
) -> bool:
    places = [held for held in person.memberships if held.state == "active" and held.organisation.state == "active"]

    def holds(grant: facts.Grant) -> bool:
        return (grant.starts_at is None or grant.starts_at <= now) and (grant.ends_at is None or now < grant.ends_at)

    def is_officer(at: facts.Organisation | None) -> bool:
        return any(
            held.organisation == at and any(grant.role.slug == MANAGES and holds(grant) for grant in held.grants)
            for held in places
        )

    grants = [
        grant
        for held in places
        if context.organisation in (None, held.organisation)
        for grant in held.grants
        if holds(grant)
    ]
    match thing:
        case facts.Portal():
            return action in {"see_home", "sign_in"}
        case facts.Platform():
            return any(action in STAFF_PERMISSIONS.get(role, ()) for role in person.staff_roles)
        case facts.Person():
            return thing == person and action in {"read", "change_details", "change_password"}
        case facts.Organisation():
            belongs = any(held.organisation == thing for held in places)
            return (belongs and action in {"read", "act_in"}) or (
                is_officer(thing) and action in {"add_person", "list_people"}
            )
        case facts.Membership():
            if not is_officer(thing.organisation):
                return False
            if action == "read":
                return True
            states = {"suspend", "reactivate", "resend_invitation", "cancel_invitation"}
            return thing.person != person and (action in {"change_roles", "remove"} or _fits(action, thing, states))
        case facts.Service():
            opens = any(grant.role.service == thing for grant in grants)
            return thing.state == "live" and (action == "read" or (action == "launch" and opens))
        case facts.Role():
            if action == "give":
                return thing.officers_may_give and is_officer(thing.organisation)
            is_open = thing.service is None or thing.service.state == "live"
            return action == "use" and is_open and any(grant.role.slug == thing.slug for grant in grants)
    return False
