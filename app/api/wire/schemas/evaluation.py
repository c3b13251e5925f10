"""The messages about decisions: what is read, what is answered, and how each member is described to readers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, fields, post_load, pre_load, validate

from app.api.errors import ApiError
from app.api.wire.requests import ActionAsked, Entity, EvaluationRequest, Semantic
from app.authz.polar.names import LONGEST_KIND
from app.vocabulary import DIRECTORY_KINDS, SUBJECT_TYPES, Reason

LONGEST_TYPE = LONGEST_KIND
LONGEST_SUBJECT = 254
LONGEST_ACTION = 100
LONGEST_RESOURCE = 200
LONGEST_ORGANISATION = 100
LARGEST_REVISION = 2**53 - 1

_MISSING: dict[str, Any] = {"required": "is missing."}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_CONTROL_CHARACTERS = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""The same for readers of the document, whose patterns are those of JavaScript."""


def loaded(schema: Schema, body: Any) -> Any:
    """Return what `schema` makes of `body`. Raises `ApiError` 400 that names every member that is wrong."""
    try:
        return schema.load(body)
    except ValidationError as error:
        sentences = [f"{name} {message}" for name, message in _problems(error.messages_dict)]
        raise ApiError(400, " ".join(sentences)) from error


def _problems(messages: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, problem in messages.items():
        # What is wrong with an object as a whole stands under a name of marshmallow's own.
        path = within if name == "_schema" else f"{within}.{name}" if within else name
        if isinstance(problem, Mapping):
            yield from _problems(problem, path)
        else:
            yield path, problem[0]


def text(longest: int, description: str, *, required: bool = True, shortest: int = 1, **more: Any) -> fields.String:
    """Return a field that holds a text of at most `longest` characters."""
    return fields.String(
        required=required,
        allow_none=not required,
        validate=[
            validate.Length(shortest, longest, error=f"must have {shortest} to {longest} characters."),
            _without_control_characters,
        ],
        error_messages={**_MISSING, "invalid": "must be a string."},
        metadata={"description": description, "pattern": _NO_CONTROL_CHARACTERS, **more},
    )


def _without_control_characters(value: str) -> None:
    if _CONTROL_CHARACTERS.search(value):
        raise ValidationError("must not contain control characters.")


class _WholeNumber(fields.Integer):
    """A whole number, however it is written: to JSON, 1.0 is one too."""

    def _validated(self, value: Any) -> int:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


def whole_number(largest: int, description: str) -> fields.Integer:
    """Return a field that holds a number from 0, and need not be there."""
    return _WholeNumber(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, largest, error=f"must be from 0 to {largest}."),
        error_messages={"invalid": "must be a whole number."},
        metadata={"description": description},
    )


class _OurOptions(fields.Nested):
    """Options of ours where AuthZEN has none: whatever else a caller calls so is ignored."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, *args, **kwargs) if isinstance(value, Mapping) else {}


class _ResourceProperties(fields.Nested):
    """The properties of a resource. Those of a kind that only the rules know mean to us what the rules make of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Mapping) and data.get("type") not in (None, *DIRECTORY_KINDS):
            return dict(value)
        return super()._deserialize(value, attr, data, *args, **kwargs)


def part(schema: type[Schema], description: str, *, required: bool = True) -> fields.Nested:
    """Return a field that holds an object."""
    return fields.Nested(
        schema,
        required=required,
        allow_none=not required,
        error_messages=_MISSING,
        metadata={"description": description},
    )


def open_object(description: str) -> fields.Dict:
    """Return a field that holds an object with any members, and need not be there."""
    return fields.Dict(
        allow_none=True, error_messages={"invalid": "must be an object."}, metadata={"description": description}
    )


class Asked(Schema):
    """What a caller sends: unknown members are ignored, as AuthZEN has it, and null is as absent."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be an object."}  # noqa: RUF012  (marshmallow declares it as an instance variable)

    @pre_load
    def leave_out_nulls(self, data: Any, **_options: Any) -> Any:
        """Take null for absent; anything but an object is left for the type check."""
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or name not in self.fields}


class SubjectSchema(Asked):
    """The person it is about."""

    type = text(LONGEST_TYPE, "Always a person.", examples=sorted(SUBJECT_TYPES))
    id = text(
        LONGEST_SUBJECT, "The person's id, or one of their e-mail addresses.", examples=["olivia.marsh@example.org"]
    )
    properties = open_object("What is known of the person; for this question it counts more than what we know.")

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the person as asked about."""
        return Entity(**data)


class ActionSchema(Asked):
    """What the person would do."""

    name = text(LONGEST_ACTION, "For a service: launch or read. For a role: use or give.", examples=["launch"])
    properties = open_object("More about it, for the rules.")

    @post_load
    def as_action(self, data: dict[str, Any], **_options: Any) -> ActionAsked:
        """Return the action as asked about."""
        return ActionAsked(**data)


class ResourcePropertiesSchema(Asked):
    """More about the thing. Any other member may be sent too, for the rules; of a kind that they declare, any."""

    class Meta:
        unknown = INCLUDE

    organisation = text(
        LONGEST_ORGANISATION,
        "For a service or a role: the organisation it is about, by id or centre number. Without one, any of the "
        "person's organisations counts.",
        required=False,
        examples=["90101"],
    )


def resource_properties(description: str) -> fields.Nested:
    """Return a field that holds what a caller tells of a resource."""
    return _ResourceProperties(ResourcePropertiesSchema, allow_none=True, metadata={"description": description})


class ResourceSchema(Asked):
    """The thing it would be done to."""

    type = text(
        LONGEST_TYPE,
        "A kind of thing that your key may ask about: service, role, or one that the rules declare.",
        examples=["service", "role"],
    )
    id = text(
        LONGEST_RESOURCE,
        "The short name of your service, or of one of its roles; of any other kind, your own id.",
        examples=["submit-for-assessment", "submit-for-assessment:teacher"],
    )
    properties = resource_properties(
        "What is known of the thing; for this question it counts more than what was registered."
    )

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the thing as asked about."""
        return Entity(**data)


class ContextSchema(Asked):
    """The circumstances of the question. Any other member may be sent too, for the rules."""

    class Meta:
        unknown = INCLUDE

    organisation = text(
        LONGEST_ORGANISATION,
        "The same as resource.properties.organisation, for callers that keep it here, and for things of any kind. If "
        "both are given, they agree.",
        required=False,
        examples=["90101"],
    )


class OptionsSchema(Asked):
    """How to answer."""

    at_least_revision = whole_number(
        LARGEST_REVISION, "Answer with everything known up to this revision, or not at all (503)."
    )


def our_options() -> fields.Nested:
    """Return a field that holds how to answer a message to which AuthZEN gives no options."""
    return _OurOptions(OptionsSchema, allow_none=True, metadata={"description": "How to answer."})


def organisation_of(resource: Entity, context: Mapping[str, Any] | None) -> str | None:
    """Return the organisation that a question names. Raises ValidationError when it names two."""
    of_resource = resource.properties if resource.type in DIRECTORY_KINDS else None
    named = {told["organisation"] for told in (of_resource, context) if told and "organisation" in told}
    if len(named) > 1:
        raise ValidationError("must not differ from resource.properties.organisation.", "context.organisation")
    return named.pop() if named else None


class EvaluationRequestSchema(Asked):
    """The question: whether this person may do this to that."""

    subject = part(SubjectSchema, "The person it is about.")
    action = part(ActionSchema, "What the person would do.")
    resource = part(ResourceSchema, "The thing it would be done to.")
    context = part(ContextSchema, "The circumstances of the question.", required=False)
    options = our_options()

    @post_load
    def as_request(self, data: dict[str, Any], **_options: Any) -> EvaluationRequest:
        """Return the question. Raises ValidationError when it names two organisations."""
        context = data.get("context")
        return EvaluationRequest(
            data["subject"],
            data["action"],
            data["resource"],
            context,
            organisation_of(data["resource"], context),
            data.get("options", {}).get("at_least_revision", 0),
        )


class EvaluationItemSchema(Asked):
    """One question of a batch. Each of these that it leaves out is taken from the top of the message, as a whole."""

    subject = part(SubjectSchema, "The person, if it is another than at the top.", required=False)
    action = part(ActionSchema, "What the person would do, if it is something else.", required=False)
    resource = part(ResourceSchema, "The thing, if it is another.", required=False)
    context = part(ContextSchema, "The circumstances, if they are others.", required=False)


class EvaluationsOptionsSchema(OptionsSchema):
    """How to answer a batch."""

    evaluations_semantic = fields.Enum(
        Semantic,
        by_value=True,
        load_default=Semantic.EXECUTE_ALL,
        allow_none=True,
        error_messages={"unknown": "must be one of {choices}."},
        metadata={"description": "Answer all, or stop after the first no (or failure), or after the first yes."},
    )


class EvaluationsRequestSchema(EvaluationItemSchema):
    """Several questions at once. Without `evaluations` it is a single one, and gets a single answer."""

    evaluations = fields.List(
        fields.Nested(EvaluationItemSchema),
        allow_none=True,
        error_messages={"invalid": "must be a list."},
        metadata={"description": "The questions, answered in their order."},
    )
    options = part(EvaluationsOptionsSchema, "How to answer.", required=False)


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


class FailedItemErrorSchema(Schema):
    """Why one question of a batch was not answered."""

    status = fields.Integer(required=True, metadata={"description": "The status that it would have got by itself."})
    message = fields.String(required=True, metadata={"description": "What is wrong, in a sentence."})


class FailedItemContextSchema(Schema):
    """Why there is no decision."""

    reason = fields.Nested(ReasonSchema, required=True, metadata={"description": "Always not_answered."})
    error = fields.Nested(FailedItemErrorSchema, required=True, metadata={"description": "What is wrong."})


class FailedItemSchema(Schema):
    """What stands in the place of an answer when one question of a batch cannot be answered. Take it as a no."""

    decision = fields.Boolean(required=True, metadata={"description": "Always false."})
    context = fields.Nested(FailedItemContextSchema, required=True, metadata={"description": "Why."})


class AnswersSchema(Schema):
    """The answers to a batch, in the order of the questions."""

    evaluations = fields.List(fields.Nested(AnswerSchema), required=True, metadata={"description": "The answers."})


class ErrorSchema(Schema):
    """What is said instead of an answer. Take it as a no."""

    message = fields.String(required=True, metadata={"description": "What is wrong, in a sentence."})


class HealthSchema(Schema):
    """Whether questions can be answered."""

    status = fields.String(required=True, metadata={"description": "Always ok.", "examples": ["ok"]})
    decisions_dropped = fields.Integer(
        required=True,
        metadata={"description": "How many answers this process has given and not kept.", "examples": [0]},
    )
