"""Addresses for programs: JSON whatever happens, and the request's own id on every answer."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import BaseConverter, Rule

from app.api.errors import MethodNotAllowedError, NotFoundError
from app.api.transport.dispatch import can_be_sent_back, problem_body, problem_response
from app.ui.authorization import View, public

blueprint = Blueprint("api", __name__)


class AnythingConverter(BaseConverter):
    """The rest of an address, whatever it holds: `path` wants something, no slash first and no line break."""

    part_isolating = False
    regex = "(?s:.*)"
    # After every other, like that of `path`.
    weight = 200


def json_route(path: str, *allowed: str) -> Callable[[View], View]:
    """Register a view for programs. Its address takes any method there is and refuses those that are not `allowed`.

    What is refused while routing belongs to no blueprint yet, and would be answered with a page. Without `allowed`,
    any method is.
    """

    def register(view: View) -> View:
        @wraps(view)
        def checked(**address: str) -> ResponseReturnValue:
            if allowed and request.method not in allowed:
                raise MethodNotAllowedError(allowed)
            return view(**address)

        def add(state: BlueprintSetupState) -> None:
            # Flask itself knows no address for any method.
            endpoint = f"{blueprint.name}.{view.__name__}"
            state.app.url_map.converters["anything"] = AnythingConverter
            state.app.url_map.add(Rule(path, endpoint=endpoint, methods=None))
            state.app.view_functions[endpoint] = checked

        blueprint.record(add)
        return checked

    return register


def json_response(body: Any, status: int = 200, headers: Any = None) -> Response:
    """Return a message; `body` may be one that was written already."""
    written = body if isinstance(body, bytes) else json.dumps(body)
    return Response(written, status, headers, mimetype="application/json")


@json_route("/access/<anything:rest>")
@json_route("/authorize/<anything:rest>")
@json_route("/records/<anything:rest>")
@public("that nothing is here is no secret")
def nothing_here(rest: str) -> ResponseReturnValue:  # noqa: ARG001  (the address, which a program knows)
    """Tell a program that there is nothing at its address."""
    raise NotFoundError("There is nothing at this address; /docs says what is where.")


@blueprint.errorhandler(HTTPException)
def _failed(error: HTTPException) -> ResponseReturnValue:
    return json_response(problem_body(error.description or error.name), error.code or 500)


@blueprint.errorhandler(Exception)
def _broken(error: Exception) -> ResponseReturnValue:
    status, body, headers = problem_response(error, request.endpoint or "")
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if is_ours and request.endpoint == "api.docs":
        return InternalServerError()
    if is_ours and request.endpoint in ("api.health", "api.ready"):
        return json_response(problem_body("Questions cannot be answered at the moment."), 503)
    return json_response(body, status, headers)


@blueprint.after_request
def _return_request_id(response: Response) -> Response:
    request_id = request.environ.get("HTTP_X_REQUEST_ID")
    if request_id is not None and can_be_sent_back(request_id):
        response.headers["X-Request-ID"] = request_id
    return response
