"""What authors of programs read: the OpenAPI document, the page drawn from it, where AuthZEN finds what, and health."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.api.reference import openapi
from app.api.reference.samples import CAST, Example
from app.api.transport.routing import json_response, json_route
from app.api.wire.schemas.answers import HealthSchema
from app.audit import decision_log
from app.audit.decision_log import NotLoggedError
from app.authz.decision_point import policy
from app.authz.polar.names import policy_name
from app.kernel.database import connected, database, sqlite_file
from app.kernel.disk import DiskCheck
from app.kernel.outage import is_outage
from app.runtime import current, settings
from app.seeding.fixtures import FixtureError, read_pack
from app.ui.authorization import public

_NO_SECRET = "how to ask is no secret"  # noqa: S105  (the opposite)
_KEPT_SECONDS = 300
_disk = DiskCheck()


@json_route("/openapi.json", "GET", "HEAD")
@public(_NO_SECRET)
def openapi_document() -> ResponseReturnValue:
    """Give the description of this API for programs."""
    return _kept(_document())


@json_route("/.well-known/authzen-configuration", "GET", "HEAD")
@public(_NO_SECRET)
def authzen_configuration() -> ResponseReturnValue:
    """Say where AuthZEN's clients find what. The addresses are the public ones, however the request came here."""
    address = settings().public_url
    return _kept(
        {
            "policy_decision_point": address,
            "access_evaluation_endpoint": f"{address}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{address}/access/v1/evaluations",
            "search_subject_endpoint": f"{address}/access/v1/search/subject",
            "search_resource_endpoint": f"{address}/access/v1/search/resource",
            "search_action_endpoint": f"{address}/access/v1/search/action",
        }
    )


@json_route("/health", "GET", "HEAD")
@public("a load balancer has no key")
def health() -> ResponseReturnValue:
    """Say whether questions can be answered here."""
    policy()
    warnings = _database_warnings()
    log = decision_log.current()
    if not log.keeps_up:
        raise NotLoggedError("what is answered could not be kept")
    try:
        warnings += _disk.warnings(_folders())
    except OSError as error:
        raise NotLoggedError("what is answered could not be kept") from error
    warnings += log.warnings
    return json_response(HealthSchema().dump({"status": "ok", "decisions_dropped": log.dropped, "warnings": warnings}))


@json_route("/health/ready", "GET", "HEAD")
@public("a load balancer has no key")
def ready() -> ResponseReturnValue:
    """Say whether questions can be answered here: what `/health` says."""
    return health()


@json_route("/health/live", "GET", "HEAD")
@public("what watches over processes has no key")
def live() -> ResponseReturnValue:
    """Say that this process answers, whatever it may have to wait for otherwise: no reason to start it anew."""
    return json_response({"status": "ok"})


def _database_warnings() -> list[str]:
    """Return a sentence if the database is away and questions are answered without it. Raises what it raises."""
    try:
        with connected():
            database.execute_sql("select 1")
    except Exception as error:
        if not is_outage(error):
            raise
        freshness = current().view.freshness
        # Raises when it has been away for too long.
        freshness.renew()
        return [f"The database is away: answers may be {freshness.stale_seconds()} seconds old, and pages do not work."]
    return []


def _folders() -> list[Path]:
    """Return the folders in which a portal writes."""
    file = sqlite_file()
    return [settings().data_dir] if file is None else [settings().data_dir, file.parent]


@json_route("/docs", "GET", "HEAD")
@public(_NO_SECRET)
def docs() -> ResponseReturnValue:
    """Show the description of this API to people."""
    whole = _document()
    return render_template(
        "api/docs.html",
        document=whole,
        operation=whole["paths"]["/authorize"]["post"],
        operations=list(openapi.operations(whole)),
        question=list(openapi.members(whole, "EvaluationRequest")),
        answer=list(openapi.members(whole, "Answer")),
        batch=list(openapi.members(whole, "EvaluationsRequest")),
        failed=list(openapi.members(whole, "FailedItem")),
        explanation=list(openapi.members(whole, "Explanation")),
        page=[*openapi.members(whole, "PageRequest"), *openapi.members(whole, "Page")],
        record=list(openapi.members(whole, "Record")),
        reasons=whole["components"]["schemas"]["Reason"]["properties"]["code"]["oneOf"],
    )


def _document() -> dict[str, Any]:
    return openapi.document(settings().public_url, _example(), settings().batch_limit)


def _example() -> Example:
    """Return what can be asked here as it stands. A real key is never shown: demo and packs are for development."""
    pack = settings().pack_dir
    if pack is None or not settings().development:
        return CAST if settings().development else CAST._replace(key="YOUR-KEY")
    with suppress(FixtureError, KeyError, StopIteration):
        described = read_pack(pack / "fixtures")
        client = next(one for one in described["client"] if not one["ended"] and one["kinds"])
        record = next(one for one in described["record"] if one["type"] in client["kinds"])
        actions = sorted(policy().permissions[policy_name(record["type"])])
        return Example(client["key"], described["person"][0]["id"], actions[0], record["type"], record["id"])
    return CAST._replace(key="YOUR-KEY")


def _kept(body: Any) -> ResponseReturnValue:
    response = json_response(body)
    response.cache_control.public = True
    response.cache_control.max_age = _KEPT_SECONDS
    response.add_etag()
    return response.make_conditional(request)
