"""The messages that ask for evaluations: what is read, and how each member is described to readers."""

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, ValidationError, fields, post_load, pre_load

from app.api.wire.near_misses import OPTIONS, check_names
from app.api.wire.requests import (
    LARGEST_REVISION,
    LONGEST_ACTION,
    LONGEST_ORGANISATION,
    LONGEST_RESOURCE,
    LONGEST_SUBJECT,
    LONGEST_TYPE,
    Entity,
    EvaluationRequest,
    RequestedAction,
    Semantic,
    named_organisation,
)
from app.api.wire.schemas.fields import InputSchema, open_object, part, text, whole_number
from app.vocabulary import DIRECTORY_KINDS, SUBJECT_TYPES


class _OurOptions(fields.Nested):
    """Options of ours where AuthZEN has none: anything else under this name is ignored."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, *args, **kwargs) if isinstance(value, Mapping) else {}


class _ResourceProperties(fields.Nested):
    """The properties of a resource. If only the policy declares its type, only the rules know what they mean."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Mapping) and data.get("type") not in (None, *DIRECTORY_KINDS):
            return dict(value)
        return super()._deserialize(value, attr, data, *args, **kwargs)


class SubjectSchema(InputSchema):
    """The person it is about."""

    type = text(LONGEST_TYPE, "Always a person.", examples=sorted(SUBJECT_TYPES))
    id = text(
        LONGEST_SUBJECT, "The person's id, or one of their e-mail addresses.", examples=["olivia.marsh@example.org"]
    )
    properties = open_object("Properties of the person; for this question they override ours.")

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the person as an entity."""
        return Entity(**data)


class ActionSchema(InputSchema):
    """What the person would do."""

    name = text(LONGEST_ACTION, "For a service: launch or read. For a role: use or give.", examples=["launch"])
    properties = open_object("More about it, for the rules.")

    @post_load
    def as_action(self, data: dict[str, Any], **_options: Any) -> RequestedAction:
        """Return the requested action."""
        return RequestedAction(**data)


class ResourcePropertiesSchema(InputSchema):
    """Properties of the resource. Other members may be sent too, for the rules; for a type that they declare, any."""

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
    """Return a field with the properties that a caller sends of a resource."""
    return _ResourceProperties(ResourcePropertiesSchema, allow_none=True, metadata={"description": description})


class ResourceSchema(InputSchema):
    """The resource that the action is about."""

    type = text(
        LONGEST_TYPE,
        "A type that your key may ask about: service, role, or one that the rules declare.",
        examples=["service", "role"],
    )
    id = text(
        LONGEST_RESOURCE,
        "The short name of your service, or of one of its roles; of any other kind, your own id.",
        examples=["submit-for-assessment", "submit-for-assessment:teacher"],
    )
    properties = resource_properties("Properties of the resource; for this question they override registered ones.")

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the resource as an entity."""
        return Entity(**data)


class ContextSchema(InputSchema):
    """The circumstances of the question. Any other member may be sent too, for the rules."""

    class Meta:
        unknown = INCLUDE

    # Of which form it has to be depends on the resource: see `organisations_of`.
    organisation = fields.Raw(
        allow_none=True,
        metadata={
            "description": "The same as resource.properties.organisation, for callers that keep it here, and for "
            "resources of any type. If both are given, they name the same organisation.",
            "examples": ["90101"],
        },
    )


class OptionsSchema(InputSchema):
    """How to answer."""

    @pre_load
    def refuse_slips(self, data: Any, **_options: Any) -> Any:
        """Raise `InvalidRequestError` for the name of an option that is misspelt."""
        if isinstance(data, Mapping):
            check_names(data, OPTIONS, "options.")
        return data

    at_least_revision = whole_number(
        LARGEST_REVISION, "Answer with everything known up to this revision, or not at all (503)."
    )


def our_options() -> fields.Nested:
    """Return a field that holds how to answer a message to which AuthZEN gives no options."""
    return _OurOptions(OptionsSchema, allow_none=True, metadata={"description": "How to answer."})


def organisations_of(resource: Entity, context: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """Return the organisation that a question names, and another name of it if it names it twice.

    Raises ValidationError where a name is none.
    """
    if resource.type not in DIRECTORY_KINDS:
        return (named_organisation(context) if context else None), None
    in_context = (context or {}).get("organisation")
    if in_context is not None:
        _deserialized_name(in_context)
    of_resource = (resource.properties or {}).get("organisation")
    return (of_resource, None) if in_context in (None, of_resource) else (in_context, of_resource)


def _deserialized_name(value: Any) -> None:
    try:
        _NAME.deserialize(value)
    except ValidationError as error:
        raise ValidationError(error.messages, "context.organisation") from error


_NAME = text(LONGEST_ORGANISATION, "")


class EvaluationRequestSchema(InputSchema):
    """The question: whether this person may do this to that."""

    subject = part(SubjectSchema, "The person it is about.")
    action = part(ActionSchema, "What the person would do.")
    resource = part(ResourceSchema, "The resource that the action is about.")
    context = part(ContextSchema, "The circumstances of the question.", required=False)
    options = our_options()

    @post_load
    def as_request(self, data: dict[str, Any], **_options: Any) -> EvaluationRequest:
        """Return the question. Raises ValidationError when it names two organisations."""
        context = data.get("context")
        organisation, again = organisations_of(data["resource"], context)
        return EvaluationRequest(
            data["subject"],
            data["action"],
            data["resource"],
            context,
            organisation,
            data.get("options", {}).get("at_least_revision", 0),
            again,
        )


class EvaluationItemSchema(InputSchema):
    """One question of a batch. Each of these that it leaves out is taken from the top of the message, as a whole."""

    subject = part(SubjectSchema, "The person, if it is another than at the top.", required=False)
    action = part(ActionSchema, "What the person would do, if it is something else.", required=False)
    resource = part(ResourceSchema, "The resource, if it is another.", required=False)
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
