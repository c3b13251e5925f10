"""Why a service opens for a user or not, for the exams officers of their organisation."""

from dataclasses import dataclass

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from app.authz import facts
from app.authz.decision_point import DecisionRequest, decide
from app.authz.explain.explanation import explain, visible_to
from app.authz.explain.wording import in_words
from app.authz.information import directory
from app.manage import blueprint, url_loaders
from app.memberships.models import Membership
from app.services.models import Service
from app.services.queries import roles_of, service_with_slug, services
from app.ui.authorization import actor, can, guarded_fact, requires
from app.ui.officers import officers_of
from app.vocabulary import Action


@dataclass(frozen=True)
class ServiceAccess:
    """A service, and whether it opens for the person that a page is about."""

    service: Service
    opens: bool


def service_access(membership: facts.Fact) -> list[ServiceAccess]:
    """Return the services that the signed-in person may know of, and whether each opens through `membership`."""
    if not isinstance(membership, facts.Membership):
        return []
    context = facts.Context(membership.organisation)
    return [
        ServiceAccess(service, decide(membership.person, Action.LAUNCH, directory.service(service), context).allowed)
        for service in services()
        if can(Action.READ, service)
    ]


def _membership(organisation_id: str, membership_id: str, service_slug: str) -> Membership | None:
    return url_loaders.membership(organisation_id, membership_id) if _service(service_slug) else None


def _service(service_slug: str) -> Service | None:
    service = service_with_slug(service_slug)
    return service if service is not None and can(Action.READ, service) else None


@blueprint.get("/<string:membership_id>/why/<string:service_slug>")
@requires(Action.READ, _membership)
def why(membership: Membership) -> ResponseReturnValue:
    """Say why a service opens for a person here, or what is missing and who can change it."""
    service = _service((request.view_args or {})["service_slug"])
    held = guarded_fact()
    if service is None or not isinstance(held, facts.Membership) or not membership.is_known:
        abort(404)
    here = held.organisation
    roles = tuple(directory.role(role, here) for role in roles_of(service))
    launch = DecisionRequest(held.person, Action.LAUNCH, directory.service(service), facts.Context(here), roles)
    return render_template(
        "manage/why.html",
        membership=membership,
        person=membership.person,
        organisation=membership.organisation,
        service=service,
        explanation=in_words(visible_to(actor(), explain(launch))),
        own=held.person == actor(),
        officers=officers_of(membership.organisation, besides=actor()),
    )
