"""The OpenAPI document, drawn from the very schemas that read and write the messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from app.api.reference.samples import Example, samples
from app.api.transport.request_body import LARGEST_BODY
from app.api.wire.schemas import answers, evaluation, explanation
from app.api.wire.schemas import search as found
from app.api.wire.schemas.records import RecordRequestSchema, RecordSchema, RemovedSchema
from app.api.wire.strict_json import DEEPEST
from app.config import LONG_COUNTS
from app.vocabulary import REASON_SENTENCES

_DESCRIPTION = """\
A service asks here whether a person may do something, each time that it matters, and does what the answer says. \
The messages are those of AuthZEN 1.0. Ask from your server, never from a browser: the key is a secret.

If there is no answer, for whatever reason, the answer is no."""

_STATUSES = {
    400: f"The body cannot be read: not JSON, not UTF-8, nested deeper than {DEEPEST} levels, a member missing or of "
    "the wrong type, more questions than a batch may hold. The message names it. Do not ask again without changing the "
    "question.",
    401: "The key is missing or does not work.",
    403: "The key works, but may not ask about this. The message says what it may ask about.",
    405: "Only POST is answered here.",
    413: f"The body is larger than {LARGEST_BODY:,} bytes.",
    415: "The body is compressed.",
    429: f"The key asks too much at once; a search or an explanation counts as {LONG_COUNTS} questions. Ask again in "
    "as many seconds as Retry-After says.",
    500: "Something went wrong here. No answer was recorded, so none is given. Take it as a no; you may ask again.",
    503: "The revision that you insist on is not known here, answering several questions took too long, answers cannot "
    "be recorded, or the directory cannot be read. Take it as a no, and ask again in as many seconds as Retry-After "
    "says.",
}
_HEADERS = {
    401: {"WWW-Authenticate": "WWWAuthenticate"},
    405: {"Allow": "Allow"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
_REGISTERED = {
    **_STATUSES,
    404: "There is no such resource, or the rules declare no such type.",
    405: "Only GET, HEAD, PUT and DELETE are answered here.",
    409: "As many resources of this type are registered as may be.",
    413: f"The body is larger than {LARGEST_BODY:,} bytes, or the properties take more than may be registered.",
}


_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "Whatever a header can hold; it comes back on the answer.",
    "schema": {"type": "string"},
}
_AT_LEAST = {
    "name": "Tessera-At-Least",
    "in": "header",
    "required": False,
    "description": "The same as options.at_least_revision.",
    "schema": {"type": "integer", "minimum": 0},
}


@dataclass(frozen=True)
class Member:
    """One line of a table of fields: `name` is the way to it from the top of the message."""

    name: str
    type: str
    required: bool
    description: str


@cache
def document(address: str, example: Example, batch_limit: int) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the portal at `address`.

    The samples in it ask for `example`, and a message may hold `batch_limit` questions.
    """
    spec = APISpec(
        title="Decision API",
        version=version("tessera"),
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
        info={"description": _DESCRIPTION, "summary": "May this person do this?"},
        servers=[{"url": address}],
        tags=[{"name": "Decisions"}, {"name": "Searches"}, {"name": "Resources"}, {"name": "Operation"}],
    )
    spec.components.security_scheme(
        "key", {"type": "http", "scheme": "bearer", "description": "The key that your service was given."}
    )
    spec.components.schema("FailedItem", schema=answers.FailedItemSchema)
    spec.components.header(
        "RetryAfter", {"description": "In how many seconds to ask again.", "schema": {"type": "integer", "minimum": 0}}
    )
    spec.components.header(
        "WWWAuthenticate", {"description": "How to prove who you are: Bearer.", "schema": {"type": "string"}}
    )
    spec.components.header("Allow", {"description": "What is answered here.", "schema": {"type": "string"}})
    spec.components.header(
        "RequestId", {"description": "The X-Request-ID of the request, if it had one.", "schema": {"type": "string"}}
    )
    for path, operations in _paths(address, example).items():
        spec.path(path, operations=operations)
    whole = spec.to_dict()
    _add_reason_sentences(whole)
    _add_failed_items(whole)
    _add_batch_limit(whole, batch_limit)
    return whole


def operations(whole: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and summary of everything that can be asked."""
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation["summary"]


def members(whole: dict[str, Any], schema: str) -> Iterator[Member]:
    """Yield all members of a message of the document, each below the one that holds it."""
    yield from _members(whole, {"$ref": f"#/components/schemas/{schema}"}, "")


def _members(whole: dict[str, Any], schema: dict[str, Any], within: str) -> Iterator[Member]:
    described = _resolved(whole, schema)
    for name, member in described.get("properties", {}).items():
        full = _resolved(whole, member)
        path = f"{within}.{name}" if within else name
        yield Member(path, _type(full), name in described.get("required", ()), full.get("description", ""))
        yield from _members(whole, member, path)


def _type(described: dict[str, Any]) -> str:
    # That null is as absent is said once for all members.
    types = described.get("type", "")
    return types if isinstance(types, str) else " or ".join(name for name in types if name != "null")


def _resolved(whole: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with what it refers to; its own words win."""
    merged: dict[str, Any] = {}
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), schema):
        if part == {"type": "null"}:
            continue
        if "$ref" in part:
            merged |= whole["components"]["schemas"][part["$ref"].rpartition("/")[2]]
        merged |= part
    return merged


def _schema_name(schema: type) -> str:
    name = schema if isinstance(schema, type) else type(schema)
    return name.__name__.removesuffix("Schema")


def _add_reason_sentences(whole: dict[str, Any]) -> None:
    # What an enum cannot say: the meaning of each value.
    code = whole["components"]["schemas"]["Reason"]["properties"]["code"]
    del code["enum"]
    code["type"] = "string"
    code["oneOf"] = [{"const": str(reason), "description": text} for reason, text in REASON_SENTENCES.items()]


def _add_failed_items(whole: dict[str, Any]) -> None:
    # What a list of one schema cannot say: each of several.
    items = whole["components"]["schemas"]["Answers"]["properties"]["evaluations"]
    items["items"] = {"anyOf": [items["items"], {"$ref": "#/components/schemas/FailedItem"}]}


def _add_batch_limit(whole: dict[str, Any], batch_limit: int) -> None:
    for name in ("EvaluationsRequest", "AuthorizeRequest"):
        whole["components"]["schemas"][name]["properties"]["evaluations"]["maxItems"] = batch_limit


def _paths(address: str, example: Example) -> dict[str, dict[str, Any]]:
    single = _asking(
        "evaluation",
        "Ask whether a person may do something",
        evaluation.EvaluationRequestSchema,
        answers.AnswerSchema,
    )
    several = _asking(
        "evaluations", "Ask several questions at once", evaluation.EvaluationsRequestSchema, answers.AnswersSchema
    )
    short = _explaining(_either(single, several))
    short["x-codeSamples"] = [
        {"lang": sample.language, "label": sample.label, "source": sample.source}
        for sample in samples(address, example)
    ]
    return {
        "/authorize": {"post": short},
        "/access/v1/evaluation": {"post": single},
        "/access/v1/evaluations": {"post": {**_either(single, several), "summary": several["summary"]}},
        "/access/v1/search/subject": {
            "post": _searching("subject", "Find who may do this to that", found.SubjectSearchRequestSchema)
        },
        "/access/v1/search/resource": {
            "post": _searching("resource", "Find to what a person may do that", found.ResourceSearchRequestSchema)
        },
        "/access/v1/search/action": {
            "post": _searching("action", "Find what a person may do to that", found.ActionSearchRequestSchema)
        },
        "/records/{type}/{id}": _registering(),
        "/.well-known/authzen-configuration": {"get": _metadata()},
        "/health": {"get": _health("health")},
        "/health/ready": {"get": _health("ready")},
        "/health/live": {"get": _live()},
    }


def _asking(name: str, summary: str, request: type[Schema], answer: type[Schema]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["Decisions"],
        "summary": summary,
        "description": "Members that are not listed are ignored, and null is as absent.",
        "security": [{"key": []}],
        "parameters": [_REQUEST_ID, _AT_LEAST],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": _response("A decision, which may well be a no.", answer),
            **_refusals(_STATUSES),
        },
    }


def _either(single: dict[str, Any], several: dict[str, Any]) -> dict[str, Any]:
    """Return the operation that takes one question or several, and answers in the same form."""
    answered = {"anyOf": [answers.AnswerSchema, answers.AnswersSchema]}
    return {
        **single,
        "operationId": several["operationId"],
        "requestBody": several["requestBody"],
        "responses": {**single["responses"], "200": _response("A decision, or one for each question.", answered)},
    }


def _explaining(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation that takes and answers what `operation` does, and says why if it is asked to."""
    answered = {"anyOf": [answers.AnswerSchema, answers.AnswersSchema, explanation.ExplainedAnswerSchema]}
    request = {"required": True, "content": {"application/json": {"schema": explanation.AuthorizeRequestSchema}}}
    described = operation["responses"]["200"]["description"]
    return {
        **operation,
        "operationId": "authorize",
        "requestBody": request,
        "responses": {**operation["responses"], "200": _response(described, answered)},
    }


def _searching(sought: str, summary: str, request: type[Schema]) -> dict[str, Any]:
    answer = found.ActionsSchema if sought == "action" else found.EntitiesSchema
    operation = _asking(f"search_{sought}", summary, request, answer)
    response = _response("A page of what was found; an empty one if nothing is known or allowed.", answer)
    return {**operation, "tags": ["Searches"], "responses": {**operation["responses"], "200": response}}


def _registering() -> dict[str, Any]:
    def operation(name: str, summary: str, answer: type[Schema]) -> dict[str, Any]:
        return {
            "operationId": f"{name}_record",
            "tags": ["Resources"],
            "summary": summary,
            "security": [{"key": []}],
            "parameters": [
                {"name": "type", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                _REQUEST_ID,
            ],
            "responses": {
                "200": _response("Done.", answer),
                **_refusals(_REGISTERED),
            },
        }

    put = operation("put", "Register a resource of a type that the rules declare", RecordSchema)
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": RecordRequestSchema}}}
    get = operation("get", "See what is registered", RecordSchema)
    get["parameters"].append(_AT_LEAST)
    return {"get": get, "put": put, "delete": operation("delete", "Forget a resource", RemovedSchema)}


def _metadata() -> dict[str, Any]:
    return {
        "operationId": "authzen_configuration",
        "tags": ["Operation"],
        "summary": "Find out what is where",
        "security": [],
        "responses": {"200": _response("The addresses, as AuthZEN has them.", {"type": "object"})},
    }


def _health(name: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["Operation"],
        "summary": "Find out whether questions can be answered",
        "security": [],
        "responses": {
            "200": _response("The database answers and the rules are loaded.", answers.HealthSchema),
            "503": _response("Questions cannot be answered at the moment.", answers.ErrorSchema),
        },
    }


def _live() -> dict[str, Any]:
    return {
        "operationId": "live",
        "tags": ["Operation"],
        "summary": "Find out whether a process answers at all",
        "security": [],
        "responses": {"200": _response("It does. Nothing else was looked at.", answers.LiveSchema)},
    }


def _refusals(statuses: Mapping[int, str]) -> dict[str, Any]:
    return {
        str(status): _response(sentence, answers.ErrorSchema, **_HEADERS.get(status, {}))
        for status, sentence in statuses.items()
    }


def _response(description: str, schema: type[Schema] | dict[str, Any], **headers: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-ID": "RequestId"} | headers,
        "content": {"application/json": {"schema": schema}},
    }
