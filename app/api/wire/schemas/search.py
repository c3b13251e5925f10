"""The messages about searches: who may do this, to what may they do it, and what may they do."""

from typing import Any

from marshmallow import Schema, fields, post_load

from app.api.wire.requests import LONGEST_TYPE, Entity, EvaluationRequest, RequestedAction, SearchRequest, SearchTarget
from app.api.wire.schemas.evaluation import (
    ActionSchema,
    ContextSchema,
    ResourceSchema,
    SubjectSchema,
    organisations_of,
    our_options,
    resource_properties,
)
from app.api.wire.schemas.fields import InputSchema, open_object, part, text, whole_number

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500
"""The most results on one page, even if a caller wants more."""

_LONGEST_TOKEN = 2000
_ANYTHING = ""


class PageRequestSchema(InputSchema):
    """Which part of the results."""

    token = text(
        _LONGEST_TOKEN,
        "The next_token of the page before; everything else as it was then. Empty is as absent.",
        required=False,
        shortest=0,
    )
    limit = whole_number(
        2**53 - 1, f"How many results at most: {DEFAULT_LIMIT} if you do not say, and never over {LARGEST_LIMIT}."
    )
    properties = open_object("Not looked at.")


class SubjectTypeSchema(InputSchema):
    """The people that are searched for; an id is ignored."""

    type = text(LONGEST_TYPE, "Always a person.", examples=["person", "user"])
    properties = open_object("What would be known of each of them; it counts more than what we know.")

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the people searched for, as an entity without an id."""
        return Entity(data["type"], _ANYTHING, data.get("properties"))


class ResourceTypeSchema(InputSchema):
    """The resources that are searched for; an id is ignored."""

    type = text(LONGEST_TYPE, "The type of resource.", examples=["role"])
    properties = resource_properties("What would be known of each of them; it counts more than what was registered.")

    @post_load
    def as_entity(self, data: dict[str, Any], **_options: Any) -> Entity:
        """Return the resources searched for, as an entity without an id."""
        return Entity(data["type"], _ANYTHING, data.get("properties"))


class _SearchSchema(InputSchema):
    target: SearchTarget

    context = part(ContextSchema, "The circumstances of the question.", required=False)
    page = part(PageRequestSchema, "Which part of the results.", required=False)
    options = our_options()

    @post_load
    def as_request(self, data: dict[str, Any], **_options: Any) -> SearchRequest:
        """Return the search. Raises ValidationError when it names two organisations."""
        page, context = data.get("page", {}), data.get("context")
        organisation, again = organisations_of(data["resource"], context)
        question = EvaluationRequest(
            data["subject"],
            data.get("action", RequestedAction(_ANYTHING)),
            data["resource"],
            context,
            organisation,
            data.get("options", {}).get("at_least_revision", 0),
            again,
        )
        return SearchRequest(self.target, question, page.get("token", ""), page.get("limit"))


class SubjectSearchRequestSchema(_SearchSchema):
    """The question who may do this to that."""

    target = SearchTarget.SUBJECT
    subject = part(SubjectTypeSchema, "The people that are searched for.")
    action = part(ActionSchema, "What they would do.")
    resource = part(ResourceSchema, "The resource that the action is about.")


class ResourceSearchRequestSchema(_SearchSchema):
    """The question to what this person may do that."""

    target = SearchTarget.RESOURCE
    subject = part(SubjectSchema, "The person it is about.")
    action = part(ActionSchema, "What the person would do.")
    resource = part(ResourceTypeSchema, "The resources that are searched for.")


class ActionSearchRequestSchema(_SearchSchema):
    """The question what this person may do to that."""

    target = SearchTarget.ACTION
    subject = part(SubjectSchema, "The person it is about.")
    resource = part(ResourceSchema, "The resource that the action is about.")


SEARCHES: dict[SearchTarget, Schema] = {
    schema.target: schema
    for schema in (SubjectSearchRequestSchema(), ResourceSearchRequestSchema(), ActionSearchRequestSchema())
}


class PageSchema(Schema):
    """Which part of the results this is."""

    next_token = fields.String(
        required=True, metadata={"description": "Send it as page.token to get what follows; empty at the end."}
    )
    count = fields.Integer(required=True, metadata={"description": "How many results are on this page; may be none."})


class SearchContextSchema(Schema):
    """Where the results come from."""

    id = fields.String(required=True, metadata={"description": "The id under which the search was recorded."})
    policy = fields.String(required=True, metadata={"description": "Which version of the rules answered."})
    revision = fields.Integer(
        required=True, metadata={"description": "The newest change that all results are certain to know of."}
    )


class FoundEntitySchema(Schema):
    """A person or a resource."""

    type = fields.String(required=True, metadata={"description": "The type that was looked for."})
    id = fields.String(required=True, metadata={"description": "Who or which it is."})


class FoundActionSchema(Schema):
    """An action."""

    name = fields.String(required=True, metadata={"description": "What may be done."})


class EntitiesSchema(Schema):
    """What was found, in the order of the ids."""

    page = fields.Nested(PageSchema, required=True, metadata={"description": "Which part of the results this is."})
    context = fields.Nested(SearchContextSchema, required=True, metadata={"description": "Where they come from."})
    results = fields.List(fields.Nested(FoundEntitySchema), required=True, metadata={"description": "What was found."})


class ActionsSchema(EntitiesSchema):
    """Which actions were found, in the order of their names."""

    results = fields.List(fields.Nested(FoundActionSchema), required=True, metadata={"description": "What was found."})
