"""Why, for programs: the messages that explain a decision."""

from marshmallow import Schema, fields

from app.api.wire.schemas.answers import AnswerContextSchema, AnswerSchema
from app.api.wire.schemas.evaluation import EvaluationsRequestSchema
from app.vocabulary import Reason, Who


class AuthorizeRequestSchema(EvaluationsRequestSchema):
    """A question, or several at once. Without `evaluations` it is a single one, and gets a single answer."""

    explain = fields.Boolean(
        truthy={True},
        falsy={False},
        allow_none=True,
        error_messages={"invalid": "must be true or false."},
        metadata={"description": "Say why, in context.explanation. For a single question, and for people: it is slow."},
    )


class RuleSchema(Schema):
    """A rule that the answer went through."""

    file = fields.String(required=True, metadata={"description": "The file of the rules."})
    line = fields.Integer(required=True, metadata={"description": "The line on which it begins."})
    name = fields.String(required=True, metadata={"description": "What it is called there."})


class FactSchema(Schema):
    """Something that was looked at."""

    about = fields.String(required=True, metadata={"description": "A role, the service, or the resource."})
    id = fields.String(required=True, metadata={"description": "Which one."})
    field = fields.String(required=True, metadata={"description": "What of it was read."})
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "What it said."})
    starts_at = fields.DateTime(format="iso", metadata={"description": "From when the role holds, if it has a start."})
    ends_at = fields.DateTime(format="iso", metadata={"description": "Until when the role holds, if it has an end."})


class NeededSchema(Schema):
    """A change that would help."""

    change = fields.Enum(
        Reason,
        by_value=True,
        required=True,
        metadata={"description": "The reason that the change removes, by its code."},
    )
    role = fields.String(metadata={"description": "The role that it is about."})
    who = fields.Enum(
        Who, by_value=True, required=True, metadata={"description": "Who may make this change under the rules."}
    )


class ExplanationSchema(Schema):
    """Why the answer is what it is: your service and its roles, and nothing else of the person."""

    sentence = fields.String(required=True, metadata={"description": "The reason, for people."})
    rules = fields.List(
        fields.Nested(RuleSchema), required=True, metadata={"description": "The rules that a yes went through."}
    )
    facts = fields.List(
        fields.Nested(FactSchema), required=True, metadata={"description": "What was looked at, as far as it is yours."}
    )
    needed = fields.List(
        fields.List(fields.Nested(NeededSchema)),
        required=True,
        metadata={"description": "The smallest sets of changes that would make it a yes. Any one of them is enough."},
    )


class ExplainedContextSchema(AnswerContextSchema):
    """Where the answer comes from, and why."""

    explanation = fields.Nested(ExplanationSchema, required=True, metadata={"description": "Why."})


class ExplainedAnswerSchema(AnswerSchema):
    """The answer, with why."""

    context = fields.Nested(ExplainedContextSchema, required=True, metadata={"description": "Where it comes from."})
