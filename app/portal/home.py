"""The tiles, and the way through them to the services."""

from datetime import date
from functools import wraps
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.authz import facts
from app.authz.decision_point import DecisionRequest, decide, decide_request
from app.authz.explain.explanation import explain, reason_for, visible_to
from app.authz.explain.wording import in_words
from app.authz.information import directory
from app.kernel import clock
from app.memberships.models import Membership
from app.memberships.queries import grants_of, memberships_of, organisations_of
from app.organisations.models import Organisation
from app.organisations.queries import organisation_with_id
from app.portal import blueprint
from app.services.models import Service
from app.services.operations import note_not_opened, note_opened
from app.services.queries import roles_of, service_with_slug, services
from app.ui import current_organisation
from app.ui.authentication import signed_in_person
from app.ui.authorization import View, actor, can, requires
from app.ui.headers import let_form_lead_to
from app.ui.navigation import destination
from app.ui.officers import officers_of
from app.vocabulary import Action, Reason


def _once_chosen(view: View) -> View:
    """Have a person with several organisations choose first which one to act in, and then come back."""

    @wraps(view)
    def chosen(*services: Service) -> ResponseReturnValue:
        if len(current_organisation.open_organisations()) > 1 and current_organisation.acting_organisation() is None:
            back = request.path if services else None
            return redirect(url_for("portal.choose_organisation", next=back))
        return view(*services)

    return chosen


@blueprint.get("/")
@requires(Action.SEE_HOME, directory.PORTAL)
@_once_chosen
def home() -> ResponseReturnValue:
    """Show the tiles that open here and now, and below them what else there is."""
    here = current_organisation.acting_organisation()
    known = [service for service in services() if can(Action.READ, service)]
    tiles = [service for service in known if can(Action.LAUNCH, service)]
    return render_template(
        "portal/home.html",
        tiles=tiles,
        others=[service for service in known if service not in tiles],
        platform=directory.PLATFORM,
        places=_closed_places(),
        officers=officers_of(here, besides=actor()) if here and not tiles and can(Action.LIST_PEOPLE, here) else [],
    )


@blueprint.get("/open/<string:service_slug>")
@requires(Action.READ, service_with_slug)
@_once_chosen
def open_service(service: Service) -> ResponseReturnValue:
    """Go to a service, or say what is missing and who can give it. Links from outside lead here as well."""
    organisation = current_organisation.acting_organisation()
    person = signed_in_person()
    by, at = person.reference if person else "", organisation.public_id if organisation else ""
    launch = _launch(service, organisation)
    decision = reason_for(launch, decide_request(launch))
    if decision.allowed:
        note_opened(service, by=by, organisation=at)
        return redirect(service.launch_address)
    why = decision.reason
    note_not_opened(service, by=by, organisation=at, reason=why)
    page = render_template(
        "portal/closed_service.html",
        service=service,
        why=why,
        roles=roles_of(service),
        elsewhere=_elsewhere(service, organisation),
        day=_turning_day(service, organisation, why),
        **_who_can_help(organisation),
    )
    return page, 403


@blueprint.get("/open/<string:service_slug>/why")
@requires(Action.READ, service_with_slug)
@_once_chosen
def why(service: Service) -> ResponseReturnValue:
    """Say what lets the person open a service, or what is missing and who can change it."""
    organisation = current_organisation.acting_organisation()
    return render_template(
        "portal/why.html",
        service=service,
        explanation=in_words(visible_to(actor(), explain(_launch(service, organisation)))),
        **_who_can_help(organisation),
    )


@blueprint.route("/choose-organisation", methods=["GET", "POST"])
@requires(Action.SEE_HOME, directory.PORTAL)
def choose_organisation() -> ResponseReturnValue:
    """Let a person with several organisations choose which one to act in."""
    missing = False
    if request.method == "POST":
        chosen = organisation_with_id(request.form.get("organisation", ""))
        if chosen is not None and can(Action.ACT_IN, chosen):
            current_organisation.choose(chosen)
            return redirect(destination(), 303)
        missing = True
    let_form_lead_to(destination())
    page = render_template(
        "portal/choose_organisation.html", organisations=current_organisation.open_organisations(), missing=missing
    )
    return page, 422 if missing else 200


def _who_can_help(acting: Organisation | None) -> dict[str, Any]:
    """Return what pages about a closed service need: the organisation to name, and its exams officers."""
    organisation = acting or _only_organisation()
    return {"organisation": organisation, "officers": officers_of(organisation, besides=actor())}


def _closed_places() -> list[Membership]:
    """Return the memberships of a person who can act in no organisation, so that the page can say why."""
    person = signed_in_person()
    return memberships_of(person) if person and not current_organisation.open_organisations() else []


def _elsewhere(service: Service, organisation: Organisation | None) -> list[Organisation]:
    """Return the other organisations of the person through which `service` opens."""
    return [
        other
        for other in current_organisation.open_organisations()
        if other != organisation
        and decide(
            actor(), Action.LAUNCH, directory.service(service), facts.Context(directory.organisation(other))
        ).allowed
    ]


def _turning_day(service: Service, organisation: Organisation | None, why: Reason) -> date | None:
    """Return the day on which what the person holds for `service` at `organisation` ended, or will start."""
    person = signed_in_person()
    if person is None or organisation is None or why not in {Reason.ROLE_ENDED, Reason.ROLE_NOT_STARTED}:
        return None
    today = clock.today(organisation.time_zone)
    held = [one for one in memberships_of(person) if one.organisation == organisation]
    grants = [grant for of_one in grants_of(held).values() for grant in of_one if grant.role.service == service]
    if why is Reason.ROLE_ENDED:
        return max((grant.last_day for grant in grants if grant.last_day and grant.last_day < today), default=None)
    return min((grant.first_day for grant in grants if grant.first_day and grant.first_day > today), default=None)


def _launch(service: Service, organisation: Organisation | None) -> DecisionRequest:
    """Return the request of the signed-in person to open `service`, acting in `organisation`."""
    here = directory.organisation(organisation) if organisation else None
    roles = tuple(directory.role(role, here) for role in roles_of(service))
    return DecisionRequest(actor(), Action.LAUNCH, directory.service(service), facts.Context(here), roles)


def _only_organisation() -> Organisation | None:
    """Return the only organisation of a person, even if it is not open, so that the page can name it."""
    person = signed_in_person()
    held = organisations_of(person) if person else []
    return held[0] if len(held) == 1 else None
