"""Answers, and how they are written. Most of an answer is the same text each time, so it is made once."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.api.problems import problem_of
from app.api.wire.requests import FailedItem, SearchRequest, SearchTarget
from app.api.wire.schemas.answers import AnswerSchema, FailedItemSchema
from app.api.wire.schemas.explanation import ExplainedAnswerSchema
from app.api.wire.schemas.search import ActionsSchema, EntitiesSchema
from app.authz.decision_point import Decision
from app.vocabulary import REASON_SENTENCES, Reason

_ID, _REVISION = "\0id", 7_700_770_077


class Answer(Struct, frozen=True):
    """A decision that is recorded under `id`, the revision that it includes, and its explanation if one was wanted.

    While the database is away, `stale_seconds` is how old its facts may be; otherwise None.
    """

    id: str
    decision: Decision
    revision: int
    explanation: dict[str, Any] | None = None
    stale_seconds: int | None = None


class SearchResult(Struct, frozen=True):
    """A page of names in their order, recorded under `id`; `next_token` is empty on the last one."""

    id: str
    names: list[str]
    next_token: str
    policy: str
    revision: int


def answer_json(answer: Answer) -> bytes:
    """Return the answer to one evaluation as a message."""
    decision = answer.decision
    text = _template(decision.allowed, decision.reason, decision.policy) % (answer.id, answer.revision)
    if answer.stale_seconds is not None:
        text = text.replace('"revision": ', f'"stale_seconds": {answer.stale_seconds}, "revision": ', 1)
    return text.encode()


def explained_json(answer: Answer) -> bytes:
    """Return the answer to one evaluation as a message, with its explanation."""
    decision = answer.decision
    context = {
        "id": answer.id,
        "policy": decision.policy,
        "revision": answer.revision,
        "reason": _reason(decision.reason),
        "explanation": answer.explanation,
    }
    if answer.stale_seconds is not None:
        context["stale_seconds"] = answer.stale_seconds
    return json.dumps(ExplainedAnswerSchema().dump({"decision": decision.allowed, "context": context})).encode()


def answers_json(answers: Iterable[Answer | FailedItem]) -> bytes:
    """Return the answers to a batch as a message."""
    texts = (_failure_json(one) if isinstance(one, FailedItem) else answer_json(one) for one in answers)
    return b'{"evaluations": [' + b", ".join(texts) + b"]}"


def found_json(request: SearchRequest, result: SearchResult) -> bytes:
    """Return what a search found as a message."""
    evaluation = request.evaluation
    match request.target:
        case SearchTarget.ACTION:
            results = [{"name": name} for name in result.names]
        case SearchTarget.SUBJECT:
            results = [{"type": evaluation.subject.type, "id": name} for name in result.names]
        case SearchTarget.RESOURCE:
            results = [{"type": evaluation.resource.type, "id": name} for name in result.names]
    message = {
        "page": {"next_token": result.next_token, "count": len(result.names)},
        "context": {"id": result.id, "policy": result.policy, "revision": result.revision},
        "results": results,
    }
    schema = ActionsSchema() if request.target is SearchTarget.ACTION else EntitiesSchema()
    return json.dumps(schema.dump(message)).encode()


@lru_cache(maxsize=256)
def _template(allowed: bool, reason: Reason, policy: str) -> str:  # noqa: FBT001  (called in one place, with names)
    """Return the text of an answer with placeholders for its id and its revision."""
    text = json.dumps(
        AnswerSchema().dump(
            {
                "decision": allowed,
                "context": {"id": _ID, "policy": policy, "revision": _REVISION, "reason": _reason(reason)},
            }
        )
    )
    return text.replace("%", "%%").replace(json.dumps(_ID), '"%s"').replace(str(_REVISION), "%d")


def _failure_json(item: FailedItem) -> bytes:
    problem = problem_of(item.error)
    assert problem is not None
    error = {"status": problem.status, "message": problem.message}
    message = {"decision": False, "context": {"reason": _reason(Reason.NOT_ANSWERED), "error": error}}
    return json.dumps(FailedItemSchema().dump(message)).encode()


def _reason(reason: Reason) -> dict[str, object]:
    return {"code": reason, "sentence": REASON_SENTENCES[reason]}
