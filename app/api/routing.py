"""Addresses for programs: JSON whatever happens, and the request's own id on every answer."""

import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import Rule

from app.api.errors import ApiError
from app.api.schemas import ErrorSchema

View = Callable[..., ResponseReturnValue]

_LONGEST_REQUEST_ID = 200
_PAGES = frozenset({"api.docs"})

blueprint = Blueprint("api", __name__)


def json_route(path: str, *allowed: str) -> Callable[[View], View]:
    """Register a view for programs. Its address takes any method there is and refuses the rest itself.

    A method that is refused while routing belongs to no blueprint yet, and would be answered with a page.
    """

    def register(view: View) -> View:
        @wraps(view)
        def checked(**address: str) -> ResponseReturnValue:
            if request.method not in allowed:
                methods = ", ".join(allowed)
                raise ApiError(405, f"Use {methods} here.", headers={"Allow": methods})
            return view(**address)

        def add(state: BlueprintSetupState) -> None:
            # Flask itself knows no address for any method.
            endpoint = f"{blueprint.name}.{view.__name__}"
            state.app.url_map.add(Rule(path, endpoint=endpoint, methods=None))
            state.app.view_functions[endpoint] = checked

        blueprint.record(add)
        return checked

    return register


def json_response(body: Any, status: int = 200, headers: Any = None) -> Response:
    """Return a message; `body` may be one that was written already."""
    written = body if isinstance(body, bytes) else json.dumps(body)
    return Response(written, status, headers, mimetype="application/json")


def request_id(told: str) -> str:
    """Return the id of a request as it may go back: without control characters, and not longer than it needs to be."""
    return "".join(filter(str.isprintable, told))[:_LONGEST_REQUEST_ID]


@blueprint.errorhandler(ApiError)
def _refused(error: ApiError) -> ResponseReturnValue:
    return _error(error.status, error.sentence, error.headers)


@blueprint.errorhandler(HTTPException)
def _failed(error: HTTPException) -> ResponseReturnValue:
    return error if request.endpoint in _PAGES else _error(error.code or 500, error.description or error.name)


@blueprint.errorhandler(Exception)
def _broken(error: Exception) -> ResponseReturnValue:
    number = secrets.token_hex(4)
    current_app.logger.error("error %s at %s: %s", number, request.endpoint, type(error).__name__, exc_info=error)
    if request.endpoint in _PAGES:
        return InternalServerError()
    if request.endpoint == "api.health":
        return _error(503, "Questions cannot be answered at the moment.")
    return _error(500, f"Something went wrong here. Take it as a no, and ask again. Error number: {number}.")


@blueprint.after_request
def _finish(response: Response) -> Response:
    own = request_id(request.headers.get("X-Request-ID", ""))
    if own:
        response.headers["X-Request-ID"] = own
    return response


def _error(status: int, sentence: str, headers: Any = None) -> Response:
    return json_response(ErrorSchema().dump({"message": sentence}), status, headers)
