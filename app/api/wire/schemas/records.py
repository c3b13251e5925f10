"""The messages about registered things."""

from marshmallow import Schema, fields

from app.api.wire.requests import LONGEST_RESOURCE, LONGEST_TYPE
from app.api.wire.schemas.fields import InputSchema, open_object, text


class RecordAddressSchema(InputSchema):
    """Which thing it is."""

    type = text(LONGEST_TYPE, "A kind of thing that the rules declare and your key may ask about.")
    id = text(LONGEST_RESOURCE, "Your own id of the thing.")


class RecordRequestSchema(InputSchema):
    """What is to be known of the thing from now on. Nothing remains of what was known before."""

    properties = open_object("Named values of any kind, for the rules.")


class RecordSchema(RecordAddressSchema):
    """A registered thing."""

    properties = fields.Dict(required=True, metadata={"description": "What is known of it."})
    revision = fields.Integer(
        required=True,
        metadata={"description": "Send it as options.at_least_revision, and an answer is certain to know of this."},
    )


class RemovedSchema(Schema):
    """A thing that is no longer known."""

    revision = fields.Integer(required=True, metadata={"description": "The change that it was."})
