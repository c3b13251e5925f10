"""Registering the things that a client's questions are about."""

import json
import re
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from app.api.decisions.client_scope import Reach
from app.api.decisions.rate_limit import count
from app.api.decisions.resolver import gathered
from app.api.errors import ApiError
from app.api.handlers import revision_wanted
from app.api.transport.authentication import client_of
from app.api.transport.json_body import parse_object, read_body
from app.api.transport.routing import json_response, json_route
from app.api.wire.schemas.evaluation import loaded
from app.api.wire.schemas.records import RecordAddressSchema, RecordRequestSchema, RecordSchema, RemovedSchema
from app.authz.decision_point import policy
from app.authz.information.cache import Caller
from app.kernel.database import changing
from app.kernel.errors import ProblemError
from app.records.operations import delete_record, put_record
from app.records.queries import record_named
from app.ui.authorization import public
from app.vocabulary import Action

# As JSON writes it: behind an even number of backslashes.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@json_route("/records/<string:kind>/<anything:record_id>", "GET", "HEAD", "PUT", "DELETE")
@public("a client proves itself with its key, and the policy is asked about it")
def record(kind: str, record_id: str) -> ResponseReturnValue:
    """Register a thing, show it, or forget it."""
    # Before the key, as in `callers.asked`.
    raw = read_body(request.environ) if request.method == "PUT" else b""
    client = client_of(request.headers.get("Authorization", ""))
    count(client)
    _check_address()
    loaded(RecordAddressSchema(), {"type": kind, "id": record_id})
    match request.method:
        case "PUT":
            return _put(client, kind, record_id, _properties(raw))
        case "DELETE":
            return _delete(client, kind, record_id)
        case _:
            return _show(client, kind, record_id)


def _check_address() -> None:
    # What is no UTF-8 comes to us with marks in its place, and different names as the same one.
    try:
        request.environ["PATH_INFO"].encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise ApiError(400, "The address must be UTF-8.") from None


def _show(client: Caller, kind: str, record_id: str) -> ResponseReturnValue:
    with Reach(client) as reach:
        _check(reach, kind, record_id, Action.ASK)
    at_least = revision_wanted(request.headers.get("Tessera-At-Least"))
    # Read once that revision has come to be known, so it holds that at least.
    row, revision = gathered(lambda _gatherer: record_named(kind, record_id), at_least)
    if row is None:
        raise ApiError(404, f"There is no {kind} {record_id}.")
    return _message(kind, record_id, row.properties, revision)


def _put(client: Caller, kind: str, record_id: str, properties: dict[str, Any]) -> ResponseReturnValue:
    with Reach(client) as reach, changing():
        _check(reach, kind, record_id, Action.REGISTER)
        revision = put_record(kind, record_id, properties, by=client.reference)
    return _message(kind, record_id, properties, revision)


def _delete(client: Caller, kind: str, record_id: str) -> ResponseReturnValue:
    with Reach(client) as reach, changing():
        _check(reach, kind, record_id, Action.REGISTER)
        try:
            revision = delete_record(kind, record_id, by=client.reference)
        except ProblemError as problem:
            raise ApiError(404, problem.sentence) from problem
    return json_response(RemovedSchema().dump({"revision": revision}))


def _check(reach: Reach, kind: str, record_id: str, action: Action) -> None:
    reach.check(kind, record_id, action)
    if kind not in policy().declared_kinds:
        raise ApiError(404, f"The rules declare no {kind} that could be registered.")


def _properties(raw: bytes) -> dict[str, Any]:
    properties: dict[str, Any] = loaded(RecordRequestSchema(), parse_object(raw, request.content_type)).get(
        "properties", {}
    )
    # No database but SQLite stores it.
    if _NUL.search(json.dumps(properties)):
        raise ApiError(400, "properties must not contain the character NUL.")
    return properties


def _message(kind: str, record_id: str, properties: dict[str, Any], revision: int) -> ResponseReturnValue:
    told = {"type": kind, "id": record_id, "properties": properties, "revision": revision}
    return json_response(RecordSchema().dump(told))
