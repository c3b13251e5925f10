"""The addresses at which programs ask."""

from flask import request
from flask.typing import ResponseReturnValue

from app.api.answering import answer_evaluation, answer_evaluations
from app.api.bodies import read_object
from app.api.callers import client_of
from app.api.routing import json_response, json_route
from app.services.models import Client
from app.ui.asking import public

_KEY = "a client proves itself with its key"


@json_route("/authorize", "POST")
@public(_KEY)
def authorize() -> ResponseReturnValue:
    """Answer one question, or several: the short door to what AuthZEN calls evaluations."""
    return json_response(answer_evaluations(_caller(), read_object(request.environ), _at_least()))


@json_route("/access/v1/evaluation", "POST")
@public(_KEY)
def evaluation() -> ResponseReturnValue:
    """Answer one question."""
    return json_response(answer_evaluation(_caller(), read_object(request.environ), _at_least()))


@json_route("/access/v1/evaluations", "POST")
@public(_KEY)
def evaluations() -> ResponseReturnValue:
    """Answer several questions, or one."""
    return json_response(answer_evaluations(_caller(), read_object(request.environ), _at_least()))


def _caller() -> Client:
    return client_of(request.headers.get("Authorization", ""))


def _at_least() -> str:
    return request.headers.get("Tessera-At-Least", "")
