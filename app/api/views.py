"""The addresses at which clients ask."""

from flask import request
from flask.typing import ResponseReturnValue

from app.api.handlers import HANDLERS, SEARCH_HANDLERS, Handler
from app.api.transport.dispatch import answer
from app.api.transport.routing import json_response, json_route
from app.ui.authorization import public


def _add(path: str, handler: Handler) -> None:
    """Register a view that `handler` answers, named after its address."""

    def view() -> ResponseReturnValue:
        """Answer with the handler of this address."""
        return json_response(answer(handler, request.environ))

    view.__name__ = path.strip("/").removeprefix("access/v1/").replace("/", "_")
    json_route(path, "POST")(public("a client authenticates with its key")(view))


for _path, _handler in (HANDLERS | SEARCH_HANDLERS).items():
    _add(_path, _handler)
