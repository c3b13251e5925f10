"""The OpenAPI document, drawn from the very schemas that read and write the messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.api import schemas
from app.api.bodies import DEEPEST, LARGEST_BODY
from app.api.samples import samples
from app.vocabulary import REASON_SENTENCES

_DESCRIPTION = """\
A service asks here whether a person may do something, each time that it matters, and does what the answer says. \
The messages are those of AuthZEN 1.0. Ask from your server, never from a browser: the key is a secret.

If there is no answer, for whatever reason, the answer is no."""

_STATUSES = {
    400: f"The body cannot be read: not JSON, not UTF-8, nested deeper than {DEEPEST} levels, a member missing or of "
    "the wrong type. The message names it. Do not ask again without changing the question.",
    401: "The key is missing or does not work.",
    403: "The key works, but may not ask about this. The message says what it may ask about.",
    405: "Only POST is answered here.",
    413: f"The body is larger than {LARGEST_BODY:,} bytes.",
    500: "Something went wrong here. No answer was recorded, so none is given. Take it as a no; you may ask again.",
}


@dataclass(frozen=True)
class Member:
    """One line of a table of fields: `name` is the way to it from the top of the message."""

    name: str
    type: str
    required: bool
    description: str


@cache
def document(address: str, key: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the portal at `address`; the samples in it use `key`."""
    spec = APISpec(
        title="Decision API",
        version=version("tessera"),
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
        info={"description": _DESCRIPTION, "summary": "May this person do this?"},
        servers=[{"url": address}],
        tags=[{"name": "Decisions"}, {"name": "Operation"}],
    )
    spec.components.security_scheme(
        "key", {"type": "http", "scheme": "bearer", "description": "The key that your service was given."}
    )
    spec.components.header(
        "RequestId", {"description": "The X-Request-ID of the request, if it had one.", "schema": {"type": "string"}}
    )
    spec.path("/authorize", operations={"post": _authorize(address, key)})
    spec.path("/health", operations={"get": _health()})
    whole = spec.to_dict()
    _add_reason_sentences(whole)
    return whole


def members(whole: dict[str, Any], schema: str) -> Iterator[Member]:
    """Yield all members of a message of the document, each below the one that holds it."""
    yield from _members(whole, {"$ref": f"#/components/schemas/{schema}"}, "")


def _members(whole: dict[str, Any], schema: dict[str, Any], within: str) -> Iterator[Member]:
    described = _resolved(whole, schema)
    for name, member in described.get("properties", {}).items():
        full = _resolved(whole, member)
        path = f"{within}.{name}" if within else name
        yield Member(path, full.get("type", ""), name in described.get("required", ()), full.get("description", ""))
        yield from _members(whole, member, path)


def _resolved(whole: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with what it refers to; its own words win."""
    merged: dict[str, Any] = {}
    for part in (*schema.get("allOf", ()), schema):
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


def _authorize(address: str, key: str) -> dict[str, Any]:
    return {
        "operationId": "authorize",
        "tags": ["Decisions"],
        "summary": "Ask whether a person may do something",
        "description": "Members that are not listed are ignored.",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "X-Request-ID",
                "in": "header",
                "required": False,
                "description": "Anything; it comes back on the answer, cut after 200 characters.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schemas.EvaluationRequestSchema}},
        },
        "responses": {
            "200": _response("A decision, which may well be a no.", schemas.AnswerSchema),
            **{str(status): _response(sentence, schemas.ErrorSchema) for status, sentence in _STATUSES.items()},
        },
        "x-codeSamples": [
            {"lang": sample.language, "label": sample.label, "source": sample.source}
            for sample in samples(address, key)
        ],
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "tags": ["Operation"],
        "summary": "Find out whether questions can be answered",
        "security": [],
        "responses": {
            "200": _response("The database answers and the rules are loaded.", schemas.HealthSchema),
            "503": _response("Questions cannot be answered at the moment.", schemas.ErrorSchema),
        },
    }


def _response(description: str, schema: type) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-ID": "RequestId"},
        "content": {"application/json": {"schema": schema}},
    }
