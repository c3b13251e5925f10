"""Answers, and how they are written. Most of an answer is the same text each time, so it is made once."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from app.api.decisions.search import Found
from app.api.wire.requests import Failure
from app.api.wire.schemas.evaluation import AnswerSchema, FailedItemSchema
from app.api.wire.schemas.explanation import ExplainedAnswerSchema, Message
from app.api.wire.schemas.search import ActionsSchema, EntitiesSchema, SearchRequest, Sought
from app.authz.decision_point import Decision
from app.vocabulary import REASON_SENTENCES, Reason

_ID, _REVISION = "\0id", 7_700_770_077


class Answer(NamedTuple):
    """A decision that was given and recorded under `id`, with everything known up to `revision`."""

    id: str
    decision: Decision
    revision: int


def answer_json(answer: Answer | Failure) -> bytes:
    """Return the one answer as a message."""
    return _text(answer).encode()


def explained_json(answer: Answer, why: Message) -> bytes:
    """Return the one answer, with why, as a message."""
    decision = answer.decision
    context = {
        "id": answer.id,
        "policy": decision.policy,
        "revision": answer.revision,
        "reason": _reason(decision.reason),
        "explanation": why,
    }
    return json.dumps(ExplainedAnswerSchema().dump({"decision": decision.allowed, "context": context})).encode()


def answers_json(answers: Iterable[Answer | Failure]) -> bytes:
    """Return the answers to a batch as a message."""
    return f'{{"evaluations": [{", ".join(map(_text, answers))}]}}'.encode()


def found_json(request: SearchRequest, found: Found) -> bytes:
    """Return what was found as a message."""
    question = request.question
    match request.sought:
        case Sought.ACTION:
            results = [{"name": name} for name in found.names]
        case Sought.SUBJECT:
            results = [{"type": question.subject.type, "id": name} for name in found.names]
        case Sought.RESOURCE:
            results = [{"type": question.resource.type, "id": name} for name in found.names]
    message = {
        "page": {"next_token": found.next_token, "count": len(found.names)},
        "context": {"id": found.id, "policy": found.policy, "revision": found.revision},
        "results": results,
    }
    schema = ActionsSchema() if request.sought is Sought.ACTION else EntitiesSchema()
    return json.dumps(schema.dump(message)).encode()


def _text(answer: Answer | Failure) -> str:
    if isinstance(answer, Failure):
        return _failure_text(answer)
    decision = answer.decision
    return _frame(decision.allowed, decision.reason, decision.policy) % (answer.id, answer.revision)


@lru_cache(maxsize=256)
def _frame(allowed: bool, reason: Reason, policy: str) -> str:  # noqa: FBT001  (called in one place, with names)
    """Return the text of an answer with places for its id and its revision."""
    text = json.dumps(
        AnswerSchema().dump(
            {
                "decision": allowed,
                "context": {"id": _ID, "policy": policy, "revision": _REVISION, "reason": _reason(reason)},
            }
        )
    )
    return text.replace("%", "%%").replace(json.dumps(_ID), '"%s"').replace(str(_REVISION), "%d")


def _failure_text(failure: Failure) -> str:
    return json.dumps(
        FailedItemSchema().dump(
            {
                "decision": False,
                "context": {
                    "reason": _reason(Reason.NOT_ANSWERED),
                    "error": {"status": failure.status, "message": failure.sentence},
                },
            }
        )
    )


def _reason(reason: Reason) -> dict[str, object]:
    return {"code": reason, "sentence": REASON_SENTENCES[reason]}
