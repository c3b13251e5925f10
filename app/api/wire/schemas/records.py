"""The messages about registered resources."""

from marshmallow import Schema, fields

from app.api.wire.requests import LONGEST_RESOURCE, LONGEST_TYPE
from app.api.wire.schemas.fields import InputSchema, open_object, text


class RecordAddressSchema(InputSchema):
    """Which resource it is."""

    type = text(LONGEST_TYPE, "A type that the rules declare and your key may ask about.")
    id = text(LONGEST_RESOURCE, "Your own id of the resource.")


class RecordRequestSchema(InputSchema):
    """The properties of the resource from now on. They replace all earlier ones."""

    properties = open_object("Named values of any kind, for the rules; {} for none.", required=True)


class RecordSchema(RecordAddressSchema):
    """A registered resource."""

    properties = fields.Dict(required=True, metadata={"description": "What is known of it."})
    revision = fields.Integer(
        required=True,
        metadata={"description": "Send it as options.at_least_revision, and an answer is certain to know of this."},
    )


class RemovedSchema(Schema):
    """A resource that is no longer registered."""

    revision = fields.Integer(required=True, metadata={"description": "The change that it was."})
