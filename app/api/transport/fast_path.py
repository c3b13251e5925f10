"""The door before Flask, for the addresses at which programs ask thousands of times a second.

Flask finds a view, builds a request and a response, and asks every surface what it has to add; all of that takes longer
than the decision. Here the same functions answer that answer in the views, and every other request goes on to Flask.
"""

import json
import logging
import secrets
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from app.api.errors import ApiError
from app.api.handlers import answer_authorize, answer_evaluation, answer_evaluations
from app.api.transport.authentication import asked
from app.api.transport.routing import check_request_id
from app.api.wire.request_reader import Body
from app.authz.information.cache import Caller
from app.ui.headers import of_every_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ANSWERS: dict[str, Callable[[Caller, Body, str | None], bytes]] = {
    "/authorize": answer_authorize,
    "/access/v1/evaluation": answer_evaluation,
    "/access/v1/evaluations": answer_evaluations,
}
"""What is answered here, and by what."""

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_JSON = ("Content-Type", "application/json")

_log = logging.getLogger(__name__)


class Door:
    """A WSGI application that answers what it can, and has `application` answer the rest."""

    def __init__(self, application: "WSGIApplication") -> None:
        self.application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        answer = ANSWERS.get(environ["PATH_INFO"])
        if answer is None or environ["REQUEST_METHOD"] != "POST":
            return self.application(environ, start_response)
        headers = [_JSON, *of_every_answer()]
        status = 200
        try:
            request_id = environ.get("HTTP_X_REQUEST_ID")
            if request_id is not None:
                check_request_id(request_id)
                headers.append(("X-Request-ID", request_id))
            body = answer(*asked(environ))
        except ApiError as error:
            status, body = error.status, _message(error.sentence)
            headers += error.headers.items()
        except Exception as error:  # noqa: BLE001  (whatever went wrong, the caller is told in JSON, and it is a no)
            number = secrets.token_hex(4)
            _log.error("error %s at %s: %s", number, environ["PATH_INFO"], type(error).__name__, exc_info=error)
            status = 500
            body = _message(f"Something went wrong here. Take it as a no, and ask again. Error number: {number}.")
        headers.append(("Content-Length", str(len(body))))
        start_response(_STATUS_LINES[status], headers)
        return [body]


def _message(sentence: str) -> bytes:
    return json.dumps({"message": sentence}).encode()
