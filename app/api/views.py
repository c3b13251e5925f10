"""The addresses at which programs ask."""

from flask import request
from flask.typing import ResponseReturnValue

from app.api.answering import answer_authorize, answer_evaluation, answer_evaluations, answer_search
from app.api.bodies import parse_object, read_body
from app.api.callers import client_of
from app.api.messages import Body
from app.api.routing import json_response, json_route
from app.api.search_schemas import Sought
from app.authz.cache import Caller
from app.ui.asking import public

_KEY = "a client proves itself with its key"


@json_route("/authorize", "POST")
@public(_KEY)
def authorize() -> ResponseReturnValue:
    """Answer one question, or several: the short door to what AuthZEN calls evaluations."""
    return json_response(answer_authorize(*_asked()))


@json_route("/access/v1/evaluation", "POST")
@public(_KEY)
def evaluation() -> ResponseReturnValue:
    """Answer one question."""
    return json_response(answer_evaluation(*_asked()))


@json_route("/access/v1/evaluations", "POST")
@public(_KEY)
def evaluations() -> ResponseReturnValue:
    """Answer several questions, or one."""
    return json_response(answer_evaluations(*_asked()))


@json_route("/access/v1/search/subject", "POST")
@public(_KEY)
def search_subject() -> ResponseReturnValue:
    """Say who may do this to that."""
    return json_response(answer_search(Sought.SUBJECT, *_asked()))


@json_route("/access/v1/search/resource", "POST")
@public(_KEY)
def search_resource() -> ResponseReturnValue:
    """Say to what a person may do that."""
    return json_response(answer_search(Sought.RESOURCE, *_asked()))


@json_route("/access/v1/search/action", "POST")
@public(_KEY)
def search_action() -> ResponseReturnValue:
    """Say what a person may do to that."""
    return json_response(answer_search(Sought.ACTION, *_asked()))


def _asked() -> tuple[Caller, Body, str]:
    """Return who asks what, and how fresh the answer has to be."""
    raw = read_body(request.environ)
    caller = client_of(request.headers.get("Authorization", ""))
    return caller, parse_object(raw, request.content_type), request.headers.get("Tessera-At-Least", "")
