"""The addresses at which programs ask."""

from flask import request
from flask.typing import ResponseReturnValue

from app.api.handlers import answer_authorize, answer_evaluation, answer_evaluations, answer_search
from app.api.transport.authentication import asked
from app.api.transport.routing import json_response, json_route
from app.api.wire.schemas.search import Sought
from app.ui.authorization import public

_KEY = "a client proves itself with its key"


@json_route("/authorize", "POST")
@public(_KEY)
def authorize() -> ResponseReturnValue:
    """Answer one question, or several: the short door to what AuthZEN calls evaluations."""
    return json_response(answer_authorize(*asked(request.environ)))


@json_route("/access/v1/evaluation", "POST")
@public(_KEY)
def evaluation() -> ResponseReturnValue:
    """Answer one question."""
    return json_response(answer_evaluation(*asked(request.environ)))


@json_route("/access/v1/evaluations", "POST")
@public(_KEY)
def evaluations() -> ResponseReturnValue:
    """Answer several questions, or one."""
    return json_response(answer_evaluations(*asked(request.environ)))


@json_route("/access/v1/search/subject", "POST")
@public(_KEY)
def search_subject() -> ResponseReturnValue:
    """Say who may do this to that."""
    return json_response(answer_search(Sought.SUBJECT, *asked(request.environ)))


@json_route("/access/v1/search/resource", "POST")
@public(_KEY)
def search_resource() -> ResponseReturnValue:
    """Say to what a person may do that."""
    return json_response(answer_search(Sought.RESOURCE, *asked(request.environ)))


@json_route("/access/v1/search/action", "POST")
@public(_KEY)
def search_action() -> ResponseReturnValue:
    """Say what a person may do to that."""
    return json_response(answer_search(Sought.ACTION, *asked(request.environ)))
