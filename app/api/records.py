"""Registers, shows and forgets the resources that a client's evaluations are about."""

import json
import re
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from app.api.decisions.client_scope import ClientScope
from app.api.decisions.resolver import resolvers
from app.api.errors import (
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
    RecordTooLargeError,
)
from app.api.handlers import revision_of
from app.api.transport.authentication import authenticate
from app.api.transport.request_body import check_content_type, check_encoding, read_body
from app.api.transport.routing import json_response, json_route
from app.api.wire.schemas.fields import loaded
from app.api.wire.schemas.records import RecordAddressSchema, RecordRequestSchema, RecordSchema, RemovedSchema
from app.api.wire.strict_json import composed, parse_object
from app.authz.decision_point import policy
from app.authz.information.cache import Caller
from app.config import CHANGE_COUNTS
from app.kernel.database import changing
from app.kernel.errors import ProblemError
from app.records.operations import delete_record, put_record
from app.records.queries import count_of, record_named
from app.runtime import current
from app.ui.authorization import public
from app.vocabulary import Action

# As JSON writes it: behind an even number of backslashes.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@json_route("/records/<string:kind>/<anything:record_id>", "GET", "HEAD", "PUT", "DELETE")
@public("a client authenticates with its key, and the policy is asked about it")
def record(kind: str, record_id: str) -> ResponseReturnValue:
    """Register a resource, show it, or forget it."""
    # Before the key, as in `dispatch.answer`.
    raw = read_body(request.environ) if request.method == "PUT" else b""
    caller = authenticate(request.headers.get("Authorization", ""))
    # A change takes the writers' lock, and every process learns of it.
    counts = 1 if request.method in ("GET", "HEAD") else CHANGE_COUNTS
    with current().token_buckets.paid(caller.reference, counts):
        _check_address(kind, record_id)
        record_id = composed(record_id)
        loaded(RecordAddressSchema(), {"type": kind, "id": record_id})
        match request.method:
            case "PUT":
                with current().token_buckets.in_turn(caller.reference):
                    return _put(caller, kind, record_id, _properties(raw))
            case "DELETE":
                with current().token_buckets.in_turn(caller.reference):
                    return _delete(caller, kind, record_id)
            case _:
                return _show(caller, kind, record_id)


def _check_address(kind: str, record_id: str) -> None:
    # For bytes that are not UTF-8 a server hands over this character, so that different names would be the same one.
    if "\ufffd" in kind + record_id:
        raise InvalidRequestError("The address must be UTF-8.")


def _show(caller: Caller, kind: str, record_id: str) -> ResponseReturnValue:
    with ClientScope(caller) as scope:
        _check(scope, kind, record_id, Action.ASK)
    at_least = revision_of(request.headers.get("Tessera-At-Least"))
    # Read once that revision is known here, so the row includes it at least.
    for resolver in resolvers(caller.client, at_least, [kind]):
        row, revision = record_named(kind, record_id), resolver.revision
    if row is None:
        raise NotFoundError(f"There is no {kind} {record_id}.")
    return _message(kind, record_id, row.properties, revision)


def _put(caller: Caller, kind: str, record_id: str, properties: dict[str, Any]) -> ResponseReturnValue:
    with ClientScope(caller) as scope, changing():
        _check(scope, kind, record_id, Action.REGISTER)
        limit = current().settings.records_limit
        if record_named(kind, record_id) is None and count_of(kind) >= limit:
            raise QuotaExceededError(f"{limit:,} resources of the type {kind} are registered, and no more may be.")
        revision = put_record(kind, record_id, properties, by=caller.reference)
    return _message(kind, record_id, properties, revision)


def _delete(caller: Caller, kind: str, record_id: str) -> ResponseReturnValue:
    with ClientScope(caller) as scope, changing():
        _check(scope, kind, record_id, Action.REGISTER)
        try:
            revision = delete_record(kind, record_id, by=caller.reference)
        except ProblemError as problem:
            raise NotFoundError(problem.sentence) from problem
    return json_response(RemovedSchema().dump({"revision": revision}))


def _check(scope: ClientScope, kind: str, record_id: str, action: Action) -> None:
    if kind not in policy().declared_kinds:
        raise NotFoundError(f"The rules declare no {kind} that could be registered.")
    scope.check(kind, record_id, action)


def _properties(raw: bytes) -> dict[str, Any]:
    check_encoding(request.headers.get("Content-Encoding", ""))
    check_content_type(request.content_type)
    properties: dict[str, Any] = loaded(RecordRequestSchema(), parse_object(raw))["properties"]
    text = json.dumps(properties, ensure_ascii=False)
    limit = current().settings.record_bytes
    if len(text.encode("utf-8", "surrogatepass")) > limit:
        raise RecordTooLargeError(f"The properties of a resource may take at most {limit:,} bytes as JSON.")
    # No database but SQLite stores it.
    if _NUL.search(json.dumps(properties)):
        raise InvalidRequestError("properties must not contain the character NUL.")
    return properties


def _message(kind: str, record_id: str, properties: dict[str, Any], revision: int) -> ResponseReturnValue:
    message = {"type": kind, "id": record_id, "properties": properties, "revision": revision}
    return json_response(RecordSchema().dump(message))
