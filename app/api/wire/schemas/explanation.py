"""Why, for programs: an explanation as a message, with nothing in it that is not the caller's business."""

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, fields

from app.api.wire.schemas.evaluation import AnswerContextSchema, AnswerSchema, EvaluationsRequestSchema
from app.authz import facts
from app.authz.decision_point import Decision
from app.authz.engine.proof import Reading
from app.authz.explain.explanation import Explanation, Question, explain, seen_by_client
from app.vocabulary import REASON_SENTENCES, Reason, Who

Message = dict[str, Any]


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
        Reason, by_value=True, required=True, metadata={"description": "What stands in the way, by its code."}
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


def explanation(client: facts.Client, decision: Decision, question: Question | None) -> Message:
    """Return why `decision` is the answer to `question`, as far as `client` may know.

    Of a question about something unknown (None) there is nothing to tell but that.
    """
    told: Message = {"sentence": REASON_SENTENCES[decision.reason], "rules": [], "facts": [], "needed": []}
    if question is None:
        return told
    seen = seen_by_client(client, explain(question))
    return told | {
        "rules": [rule._asdict() for rule in seen.rules],
        "facts": _without_repeats(fact for reading in seen.readings for fact in _fact(reading)),
        "needed": _without_repeats(_needed(seen)),
    }


def _fact(reading: Reading) -> Iterator[Message]:
    """Yield what a reading tells a program; nothing for what only leads from one thing to the next."""
    owner, value = reading.owner, reading.value
    told: Message = {"field": reading.field, "value": value}
    if isinstance(owner, facts.Grant) and reading.field == "in_force":
        ends = {"starts_at": owner.starts_at, "ends_at": owner.ends_at}
        known_ends = {name: moment for name, moment in ends.items() if moment is not None}
        yield {"about": "role", "id": owner.role.slug, **told, **known_ends}
    elif isinstance(owner, facts.Service) and reading.field == "state":
        yield {"about": "service", "id": owner.slug, **told}
    elif isinstance(owner, facts.Role) and reading.field == "officers_may_give":
        yield {"about": "role", "id": owner.slug, **told}
    elif isinstance(reading.chain[0], facts.Record) and not isinstance(value, facts.Fact | tuple):
        path = reading.path.removeprefix("resource.")
        yield {"about": "resource", "id": reading.chain[0].id, **told, "field": path}


def _needed(seen: Explanation) -> Iterator[list[Message]]:
    # The same change at two organisations is one to a program, which is told of neither.
    for needed in seen.alternatives:
        yield [
            {"change": one.change.reason, "who": one.who, **({"role": one.change.role.slug} if one.change.role else {})}
            for one in needed
        ]


def _without_repeats(items: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
