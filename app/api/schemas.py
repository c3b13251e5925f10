"""The messages of the decision API: what is read, what is answered, and how each member is described to readers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, pre_load, validate

from app.api.errors import ApiError
from app.vocabulary import SUBJECT_TYPES, Reason

_MISSING: dict[str, Any] = {"required": "is missing."}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class EvaluationRequest:
    """A question as it was asked. `organisation` is None where it is about any."""

    subject_type: str
    subject_id: str
    action: str
    resource_type: str
    resource_id: str
    organisation: str | None


def evaluation_request(body: Mapping[str, Any]) -> EvaluationRequest:
    """Return the question in `body`. Raises `ApiError` 400 that names every member that is wrong."""
    try:
        request: EvaluationRequest = EvaluationRequestSchema().load(body)
    except ValidationError as error:
        sentences = [f"{name} {message}" for name, message in _problems(error.messages_dict)]
        raise ApiError(400, " ".join(sentences)) from error
    return request


def _problems(messages: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, problem in messages.items():
        # What is wrong with an object as a whole stands under a name of marshmallow's own.
        path = within if name == "_schema" else f"{within}.{name}" if within else name
        if isinstance(problem, Mapping):
            yield from _problems(problem, path)
        else:
            yield path, problem[0]


def _text(longest: int, description: str, *, required: bool = True, **more: Any) -> fields.String:
    return fields.String(
        required=required,
        validate=[
            validate.Length(1, longest, error=f"must have 1 to {longest} characters."),
            _without_control_characters,
        ],
        error_messages={**_MISSING, "invalid": "must be a string."},
        metadata={"description": description, **more},
    )


def _without_control_characters(text: str) -> None:
    if _CONTROL_CHARACTERS.search(text):
        raise ValidationError("must not contain control characters.")


def _part(schema: type[Schema], description: str, *, required: bool = True) -> fields.Nested:
    return fields.Nested(schema, required=required, error_messages=_MISSING, metadata={"description": description})


def _open_object(description: str) -> fields.Dict:
    return fields.Dict(error_messages={"invalid": "must be an object."}, metadata={"description": description})


class _Asked(Schema):
    """What a caller sends: unknown members are ignored, as AuthZEN has it, and null is as absent."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be an object."}  # noqa: RUF012  (marshmallow declares it as an instance variable)

    @pre_load
    def leave_out_nulls(self, data: Any, **_options: Any) -> Any:
        """Take null for absent; anything but an object is left for the type check."""
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None}


class SubjectSchema(_Asked):
    """The person it is about."""

    type = _text(60, "Always a person.", examples=sorted(SUBJECT_TYPES))
    id = _text(254, "The person's id, or one of their e-mail addresses.", examples=["olivia.marsh@example.org"])
    properties = _open_object("Not looked at.")


class ActionSchema(_Asked):
    """What the person would do."""

    name = _text(100, "For a service: launch or read. For a role: use or give.", examples=["launch"])
    properties = _open_object("Not looked at.")


class ResourcePropertiesSchema(_Asked):
    """More about the thing."""

    organisation = _text(
        100,
        "The organisation it is about, by id or centre number. Without one, any of the person's organisations counts.",
        required=False,
        examples=["90101"],
    )


class ResourceSchema(_Asked):
    """The thing it would be done to."""

    type = _text(60, "A kind of thing that your key may ask about: service or role.", examples=["service", "role"])
    id = _text(
        200,
        "The short name of your service, or of one of its roles.",
        examples=["submit-for-assessment", "submit-for-assessment:teacher"],
    )
    properties = _part(ResourcePropertiesSchema, "Facts about the thing.", required=False)


class ContextSchema(_Asked):
    """The circumstances of the question."""

    organisation = _text(
        100,
        "The same as resource.properties.organisation, for callers that keep it here. If both are given, they agree.",
        required=False,
        examples=["90101"],
    )


class EvaluationRequestSchema(_Asked):
    """The question: whether this person may do this to that."""

    subject = _part(SubjectSchema, "The person it is about.")
    action = _part(ActionSchema, "What the person would do.")
    resource = _part(ResourceSchema, "The thing it would be done to.")
    context = _part(ContextSchema, "The circumstances of the question.", required=False)

    @post_load
    def as_request(self, data: dict[str, Any], **_options: Any) -> EvaluationRequest:
        """Return the question. Raises ValidationError when it names two organisations."""
        named = {
            part["organisation"]
            for part in (data["resource"].get("properties", {}), data.get("context", {}))
            if "organisation" in part
        }
        if len(named) > 1:
            raise ValidationError("must not differ from resource.properties.organisation.", "context.organisation")
        return EvaluationRequest(
            data["subject"]["type"],
            data["subject"]["id"],
            data["action"]["name"],
            data["resource"]["type"],
            data["resource"]["id"],
            named.pop() if named else None,
        )


class ReasonSchema(Schema):
    """Why the answer is what it is."""

    code = fields.Enum(Reason, by_value=True, required=True, metadata={"description": "For programs."})
    sentence = fields.String(required=True, metadata={"description": "The same for people."})


class AnswerContextSchema(Schema):
    """Where the answer comes from."""

    id = fields.String(
        required=True,
        metadata={"description": "The id under which the answer was recorded. Quote it when you ask us about one."},
    )
    policy = fields.String(required=True, metadata={"description": "Which version of the rules answered."})
    revision = fields.Integer(
        required=True, metadata={"description": "The newest change that the answer is certain to know of."}
    )
    reason = fields.Nested(ReasonSchema, required=True, metadata={"description": "Why."})


class AnswerSchema(Schema):
    """The answer."""

    decision = fields.Boolean(required=True, metadata={"description": "Let the person through only if this is true."})
    context = fields.Nested(AnswerContextSchema, required=True, metadata={"description": "Where it comes from."})


class ErrorSchema(Schema):
    """What is said instead of an answer. Take it as a no."""

    message = fields.String(required=True, metadata={"description": "What is wrong, in a sentence."})


class HealthSchema(Schema):
    """Whether questions can be answered."""

    status = fields.String(required=True, metadata={"description": "Always ok.", "examples": ["ok"]})
