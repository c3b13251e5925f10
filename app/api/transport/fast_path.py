"""Answers, before Flask, the addresses at which clients ask thousands of times a second.

Flask finds a view, builds a request and a response, and asks every surface what it has to add; all of that takes longer
than the decision. Here the same handlers answer that answer in the views, and every other request goes on to Flask.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask

from app.api.handlers import HANDLERS
from app.api.transport.dispatch import answer, can_be_sent_back, problem_response
from app.kernel import log
from app.kernel.metrics import requested
from app.runtime import EXTENSION, active
from app.ui.headers import common_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_JSON = ("Content-Type", "application/json")


_DOORS = {address: address.rpartition("/")[2] for address in HANDLERS}
"""How metrics name what is answered here: `authorize`, `evaluation`, `evaluations`."""


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
        began = perf_counter()
        log.request.set(environ)
        token = active.set(self._extensions[EXTENSION])
        try:
            address = environ["PATH_INFO"]
            handler = HANDLERS.get(address)
            if handler is None or environ["REQUEST_METHOD"] != "POST":
                return self.application(environ, _observed(start_response, _door(address), began))
            headers = [*self._headers]
            status = 200
            request_id = environ.get("HTTP_X_REQUEST_ID")
            if request_id is not None and can_be_sent_back(request_id):
                headers.append(("X-Request-ID", request_id))
            try:
                body = answer(handler, environ)
            except Exception as error:  # noqa: BLE001  (whatever went wrong, the caller gets JSON, and it is a deny)
                status, body, more = problem_response(error, address)
                headers += more.items()
            headers.append(("Content-Length", str(len(body))))
            start_response(_STATUS_LINES[status], headers)
            requested[_DOORS[address], status].observe(perf_counter() - began)
            return [body]
        finally:
            active.reset(token)


def _door(address: str) -> str:
    """Return how metrics name what is answered at an address: a few names, whatever is asked for."""
    if address.startswith("/access/v1/search/"):
        return "search"
    if address.startswith("/static/"):
        return "static"
    return "health" if address.startswith("/health") else "page"


def _observed(start_response: "StartResponse", door: str, began: float) -> "StartResponse":
    def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], object]:
        requested[door, int(status[:3])].observe(perf_counter() - began)
        return start_response(status, headers, error)

    return start
