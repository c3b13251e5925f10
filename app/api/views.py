"""The addresses of the decision API. Programs get JSON whatever happens; `/docs` is a page for people."""

import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, InternalServerError

from app.api import openapi
from app.api.bodies import read_object
from app.api.callers import client_of
from app.api.errors import ApiError
from app.api.evaluation import Answer, evaluate
from app.api.schemas import AnswerSchema, ErrorSchema, HealthSchema, evaluation_request
from app.authz.deciding import policy
from app.config import settings
from app.kernel.database import database
from app.ui.asking import public
from app.vocabulary import REASON_SENTENCES

View = Callable[[], ResponseReturnValue]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_LONGEST_REQUEST_ID = 200
_DEMO_KEY = "demo-key-submit-for-assessment"

blueprint = Blueprint("api", __name__)


def _json_route(path: str, *allowed: str) -> Callable[[View], View]:
    """Register a view for programs. It takes all methods and refuses the rest itself.

    A method that is refused while routing belongs to no blueprint yet, and would be answered with a page.
    """

    def register(view: View) -> View:
        @blueprint.route(path, methods=_METHODS, provide_automatic_options=False)
        @wraps(view)
        def checked() -> ResponseReturnValue:
            if request.method not in allowed:
                methods = ", ".join(allowed)
                raise ApiError(405, f"Use {methods} here.", headers={"Allow": methods})
            return view()

        return checked

    return register


@_json_route("/authorize", "POST")
@public("a client proves itself with its key")
def authorize() -> ResponseReturnValue:
    """Answer one question."""
    client = client_of(request.headers.get("Authorization", ""))
    return _json(_message(evaluate(client, evaluation_request(read_object(request.environ)))))


@_json_route("/openapi.json", "GET", "HEAD")
@public("how to ask is no secret")
def openapi_document() -> ResponseReturnValue:
    """Give the description of this API for programs."""
    response = _json(_document())
    response.cache_control.public = True
    response.cache_control.max_age = 300
    response.add_etag()
    return response.make_conditional(request)


@_json_route("/health", "GET", "HEAD")
@public("a load balancer has no key")
def health() -> ResponseReturnValue:
    """Say whether questions can be answered here."""
    policy()
    database.execute_sql("select 1")
    return _json(HealthSchema().dump({"status": "ok"}))


@blueprint.get("/docs")
@public("how to ask is no secret")
def docs() -> ResponseReturnValue:
    """Show the description of this API to people."""
    whole = _document()
    return render_template(
        "api/docs.html",
        document=whole,
        operation=whole["paths"]["/authorize"]["post"],
        question=list(openapi.members(whole, "EvaluationRequest")),
        answer=list(openapi.members(whole, "Answer")),
        reasons=whole["components"]["schemas"]["Reason"]["properties"]["code"]["oneOf"],
    )


@blueprint.errorhandler(ApiError)
def _refused(error: ApiError) -> ResponseReturnValue:
    return _error(error.status, error.sentence, error.headers)


@blueprint.errorhandler(HTTPException)
def _failed(error: HTTPException) -> ResponseReturnValue:
    return error if _is_page() else _error(error.code or 500, error.description or error.name)


@blueprint.errorhandler(Exception)
def _broken(error: Exception) -> ResponseReturnValue:
    number = secrets.token_hex(4)
    current_app.logger.error("error %s at %s: %s", number, request.endpoint, type(error).__name__, exc_info=error)
    if _is_page():
        return InternalServerError()
    if request.endpoint == "api.health":
        return _error(503, "Questions cannot be answered at the moment.")
    return _error(500, f"Something went wrong here. Take it as a no, and ask again. Error number: {number}.")


@blueprint.after_request
def _finish(response: Response) -> Response:
    request_id = "".join(filter(str.isprintable, request.headers.get("X-Request-ID", "")))[:_LONGEST_REQUEST_ID]
    if request_id:
        response.headers["X-Request-ID"] = request_id
    return response


def _is_page() -> bool:
    return request.endpoint == "api.docs"


def _document() -> dict[str, Any]:
    # The demo client exists in development only; a real key is never shown.
    return openapi.document(settings().public_url, _DEMO_KEY if settings().development else "YOUR-KEY")


def _message(answer: Answer) -> Any:
    decision = answer.decision
    return AnswerSchema().dump(
        {
            "decision": decision.allowed,
            "context": {
                "id": answer.id,
                "policy": decision.policy,
                "revision": answer.revision,
                "reason": {"code": decision.reason, "sentence": REASON_SENTENCES[decision.reason]},
            },
        }
    )


def _error(status: int, sentence: str, headers: Any = None) -> Response:
    return _json(ErrorSchema().dump({"message": sentence}), status, headers)


def _json(body: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(json.dumps(body), status, headers, mimetype="application/json")
