"""From the body of a message to the body of its answer, for whoever carries them. Knows nothing of HTTP."""

from app.api.decisions.evaluate import evaluate, evaluate_all, evaluate_explained
from app.api.decisions.rate_limit import count
from app.api.decisions.search import search
from app.api.errors import ApiError
from app.api.wire.request_reader import Body, read_evaluation, read_evaluations
from app.api.wire.requests import Batch, EvaluationRequest
from app.api.wire.responses import answer_json, answers_json, explained_json, found_json
from app.api.wire.schemas.evaluation import LARGEST_REVISION, loaded
from app.api.wire.schemas.search import SEARCHES, SearchRequest, Sought
from app.authz.information.cache import Caller
from app.config import LONG_COUNTS, settings


def answer_evaluation(client: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Return the answer to the one question in `body`, as fresh as the header `Tessera-At-Least` wants it.

    Raises `ApiError`, and whatever keeps `evaluate` from answering.
    """
    return _answer(client, read_evaluation(body), at_least)


def answer_evaluations(client: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Return the answers to a batch in `body`, or the one to a single question.

    Raises `ApiError`, and whatever keeps `evaluate` or `evaluate_all` from answering.
    """
    return _answer(client, read_evaluations(body, most=settings().batch_limit), at_least)


def answer_authorize(client: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Return what `answer_evaluations` returns; and why, if the single question in `body` wants it.

    Raises `ApiError`, and whatever keeps `evaluate` from answering.
    """
    explain = body.get("explain")
    if explain is None or explain is False:
        return answer_evaluations(client, body, at_least)
    if explain is not True:
        raise ApiError(400, "explain must be true or false.")
    request = read_evaluations(body, most=settings().batch_limit)
    if isinstance(request, Batch):
        raise ApiError(400, "explain is for a single question. Leave it out, or ask without evaluations.")
    count(client, LONG_COUNTS)
    answer, why = evaluate_explained(client, request._replace(at_least_revision=_wanted(request, at_least)))
    return explained_json(answer, why)


def answer_search(sought: Sought, client: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Return what a search finds. Raises `ApiError`, and whatever keeps `search` from answering."""
    count(client, LONG_COUNTS)
    request: SearchRequest = loaded(SEARCHES[sought], body)
    question = request.question
    request = request._replace(question=question._replace(at_least_revision=_wanted(question, at_least)))
    return found_json(request, search(client, request))


def revision_wanted(at_least: str | None) -> int:
    """Return the revision that the header `Tessera-At-Least` names, 0 without one. Raises `ApiError` 400.

    An empty one is no number either: that is how the web server hands on what is not ASCII.
    """
    if at_least is None:
        return 0
    if not (at_least.isascii() and at_least.isdigit() and len(at_least) <= len(str(LARGEST_REVISION))):
        raise ApiError(400, "Tessera-At-Least must be a whole number: the revision that the answer has to know of.")
    return int(at_least)


def _answer(client: Caller, request: EvaluationRequest | Batch, at_least: str | None) -> bytes:
    count(client, len(request.items) if isinstance(request, Batch) else 1)
    if at_least is not None:
        request = request._replace(at_least_revision=_wanted(request, at_least))
    if isinstance(request, Batch):
        return answers_json(evaluate_all(client, request))
    return answer_json(evaluate(client, request))


def _wanted(request: EvaluationRequest | Batch, at_least: str | None) -> int:
    return max(request.at_least_revision, revision_wanted(at_least))
