"""The messages that answer: decisions, failed items of a batch, errors and health."""

from marshmallow import Schema, fields

from app.vocabulary import Reason


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
    stale_seconds = fields.Integer(
        metadata={
            "description": "There only while our database is away: changes of as many seconds may not be known here."
        }
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
    """Takes the place of an answer when one question of a batch cannot be answered. Take it as a no."""

    decision = fields.Boolean(required=True, metadata={"description": "Always false."})
    context = fields.Nested(FailedItemContextSchema, required=True, metadata={"description": "Why."})


class AnswersSchema(Schema):
    """The answers to a batch, in the order of the questions."""

    evaluations = fields.List(fields.Nested(AnswerSchema), required=True, metadata={"description": "The answers."})


class ErrorSchema(Schema):
    """What is said instead of an answer. Take it as a no."""

    message = fields.String(required=True, metadata={"description": "What is wrong, in a sentence."})


class LiveSchema(Schema):
    """That a process answers."""

    status = fields.String(required=True, metadata={"description": "Always ok.", "examples": ["ok"]})


class HealthSchema(LiveSchema):
    """Whether questions can be answered."""

    decisions_dropped = fields.Integer(
        required=True,
        metadata={"description": "How many answers this process has given and not kept.", "examples": [0]},
    )
    warnings = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "What an operator should look at before it becomes a problem: little room on a disk, a"
            " decision log near its largest size, or a database that is away.",
            "examples": [[]],
        },
    )
