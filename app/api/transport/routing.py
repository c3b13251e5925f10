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
from werkzeug.routing import BaseConverter, Rule

from app.api.errors import UNREAD, ApiError
from app.api.wire.schemas.evaluation import ErrorSchema
from app.ui.authorization import public

View = Callable[..., ResponseReturnValue]

LONGEST_REQUEST_ID = 200
"""In characters. The ids that are in use have 36 or so."""

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
    any method is. The view raises `ApiError` for one that is not.
    """

    def register(view: View) -> View:
        @wraps(view)
        def checked(**address: str) -> ResponseReturnValue:
            if allowed and request.method not in allowed:
                methods = ", ".join(allowed)
                raise ApiError(405, f"Use {methods} here.", headers={"Allow": methods})
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


def check_request_id(told: str) -> None:
    """Raise `ApiError` 400 for an id of a request that cannot go back as it came: to change it would be to lose it."""
    if not is_request_id(told):
        sentence = f"X-Request-ID must have at most {LONGEST_REQUEST_ID} characters, all of printable ASCII."
        raise ApiError(400, sentence, headers=UNREAD)


def is_request_id(told: str) -> bool:
    """Return whether what was told as the id of a request can go back as it came.

    An empty one may be what the web server makes of one that is not ASCII.
    """
    return 0 < len(told) <= LONGEST_REQUEST_ID and told.isascii() and told.isprintable()


@json_route("/access/<anything:rest>")
@json_route("/authorize/<anything:rest>")
@json_route("/records/<anything:rest>")
@public("that nothing is here is no secret")
def nothing_here(rest: str) -> ResponseReturnValue:  # noqa: ARG001  (the address, which a program knows)
    """Tell a program that its address leads nowhere."""
    raise ApiError(404, "There is nothing at this address; /docs says what is where.")


@blueprint.before_request
def _check_request_id() -> None:
    told = request.headers.get("X-Request-ID")
    if told is not None:
        check_request_id(told)


@blueprint.errorhandler(ApiError)
def _refused(error: ApiError) -> ResponseReturnValue:
    return _error(error.status, error.sentence, error.headers)


@blueprint.errorhandler(HTTPException)
def _failed(error: HTTPException) -> ResponseReturnValue:
    return _error(error.code or 500, error.description or error.name)


@blueprint.errorhandler(Exception)
def _broken(error: Exception) -> ResponseReturnValue:
    number = secrets.token_hex(4)
    current_app.logger.error("error %s at %s: %s", number, request.endpoint, type(error).__name__, exc_info=error)
    if request.endpoint == "api.docs":
        return InternalServerError()
    if request.endpoint == "api.health":
        return _error(503, "Questions cannot be answered at the moment.")
    return _error(500, f"Something went wrong here. Take it as a no, and ask again. Error number: {number}.")


@blueprint.after_request
def _finish(response: Response) -> Response:
    told = request.headers.get("X-Request-ID", "")
    if is_request_id(told):
        response.headers["X-Request-ID"] = told
    return response


def _error(status: int, sentence: str, headers: Any = None) -> Response:
    return json_response(ErrorSchema().dump({"message": sentence}), status, headers)
