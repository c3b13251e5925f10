"""From the body of a request to the body of its answer. Knows no HTTP."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from app.api.decisions.evaluate import evaluate, evaluate_all
from app.api.decisions.search import search
from app.api.errors import InvalidRequestError
from app.api.wire.request_reader import Body, read_evaluation, read_evaluations, read_search
from app.api.wire.requests import LARGEST_REVISION, Batch, EvaluationRequest, SearchTarget
from app.api.wire.responses import answer_json, answers_json, explained_json, found_json
from app.authz.information.cache import Caller
from app.config import LONG_COUNTS
from app.kernel import clock
from app.runtime import current

Request = TypeVar("Request", EvaluationRequest, Batch)

Handler = Callable[[Caller, Body, str | None], bytes]
"""Takes an authenticated caller, the body of its request and the header `Tessera-At-Least` (None if it was not sent);
returns the body of the answer. One question is paid for, what is more the handler takes. Raises `RequestError`."""


def answer_evaluation(caller: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Answer the one evaluation in `body`. A `Handler`."""
    return _answer(caller, read_evaluation(body), at_least)


def answer_evaluations(caller: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Answer the batch in `body`, or a single evaluation. A `Handler`."""
    return _answer(caller, read_evaluations(body, limit=current().settings.batch_limit), at_least)


def answer_authorize(caller: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Answer what `answer_evaluations` answers; a single evaluation can ask for an explanation. A `Handler`."""
    explain = body.get("explain")
    request = read_evaluations(body, limit=current().settings.batch_limit)
    if explain is None or explain is False:
        return _answer(caller, request, at_least)
    if explain is not True:
        raise InvalidRequestError("explain must be true or false.")
    if isinstance(request, Batch):
        raise InvalidRequestError("explain is for a single question. Leave it out, or ask without evaluations.")
    # One clock for the answer and its explanation.
    _take_more(caller, LONG_COUNTS)
    with current().token_buckets.in_turn(caller.reference), clock.pinned(clock.now()):
        return explained_json(evaluate(caller, _with_revision(request, at_least), explain=True))


def answer_search(target: SearchTarget, caller: Caller, body: Body, at_least: str | None = None) -> bytes:
    """Answer a search for `target`. A `Handler`, once the target is given."""
    _take_more(caller, LONG_COUNTS)
    with current().token_buckets.in_turn(caller.reference):
        request = read_search(target, body)
        request = replace(request, evaluation=_with_revision(request.evaluation, at_least))
        return found_json(request, search(caller, request))


HANDLERS: dict[str, Handler] = {
    "/authorize": answer_authorize,
    "/access/v1/evaluation": answer_evaluation,
    "/access/v1/evaluations": answer_evaluations,
}
"""By address: what clients ask thousands of times a second."""

SEARCH_HANDLERS: dict[str, Handler] = {
    f"/access/v1/search/{target}": partial(answer_search, target) for target in SearchTarget
}


def revision_of(at_least: str | None) -> int:
    """Return the revision that the header `Tessera-At-Least` names, 0 without one. Raises `InvalidRequestError`.

    An empty one is not a number either: that is how the web server passes on what is not ASCII.
    """
    if at_least is None:
        return 0
    if not (at_least.isascii() and at_least.isdigit() and len(at_least) <= len(str(LARGEST_REVISION))):
        raise InvalidRequestError(
            "Tessera-At-Least must be a whole number: the revision that the answer has to know of."
        )
    return int(at_least)


def _answer(caller: Caller, request: EvaluationRequest | Batch, at_least: str | None) -> bytes:
    if isinstance(request, Batch):
        _take_more(caller, len(request.items))
        with current().token_buckets.in_turn(caller.reference):
            return answers_json(evaluate_all(caller, _with_revision(request, at_least)))
    return answer_json(evaluate(caller, _with_revision(request, at_least)))


def _take_more(caller: Caller, counts: int) -> None:
    """Have the client pay for a request that counts as so many questions, of which it has paid for one."""
    current().token_buckets.take(caller.reference, counts - 1)


def _with_revision(request: Request, at_least: str | None) -> Request:
    if at_least is None:
        return request
    older, newer = sorted((request.at_least_revision, revision_of(at_least)))
    # The newer one includes the older one only if both are of this history of the database.
    current().view.fresh(older)
    return replace(request, at_least_revision=newer)
