"""Answers, before Flask, the addresses at which clients ask thousands of times a second.

Flask finds a view, builds a request and a response, and asks every surface what it has to add; all of that takes longer
than the decision. Here the same handlers answer that answer in the views, and every other request goes on to Flask.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask

from app.api.handlers import HANDLERS
from app.api.transport.dispatch import answer, can_be_sent_back, problem_response
from app.runtime import EXTENSION, active
from app.ui.headers import common_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_JSON = ("Content-Type", "application/json")


class FastPath:
    """A WSGI application that answers what it can, and passes every other request of `flask` to `application`.

    Every request is answered with the runtime of `flask`.
    """

    def __init__(self, flask: Flask, application: "WSGIApplication") -> None:
        self.application = application
        self._extensions = flask.extensions
        self._headers = (_JSON, *common_headers(secure=flask.extensions[EXTENSION].settings.secure))

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        token = active.set(self._extensions[EXTENSION])
        try:
            handler = HANDLERS.get(environ["PATH_INFO"])
            if handler is None or environ["REQUEST_METHOD"] != "POST":
                return self.application(environ, start_response)
            headers = [*self._headers]
            status = 200
            request_id = environ.get("HTTP_X_REQUEST_ID")
            if request_id is not None and can_be_sent_back(request_id):
                headers.append(("X-Request-ID", request_id))
            try:
                body = answer(handler, environ)
            except Exception as error:  # noqa: BLE001  (whatever went wrong, the caller gets JSON, and it is a deny)
                status, body, more = problem_response(error, environ["PATH_INFO"])
                headers += more.items()
            headers.append(("Content-Length", str(len(body))))
            start_response(_STATUS_LINES[status], headers)
            return [body]
        finally:
            active.reset(token)
