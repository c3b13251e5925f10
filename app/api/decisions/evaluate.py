"""Answering the questions of one client. Knows nothing of HTTP."""

from time import monotonic, perf_counter_ns
from typing import NamedTuple

from app.api.decisions.client_scope import Reach, UndecidedError
from app.api.decisions.recording import account, account_all
from app.api.decisions.resolver import Gatherer, context_of, gathered
from app.api.errors import ApiError
from app.api.wire.requests import Batch, EvaluationRequest, Failure, Semantic
from app.api.wire.responses import Answer
from app.api.wire.schemas.explanation import Message, explanation
from app.audit.decision_codec import Item
from app.authz import facts
from app.authz.decision_point import Decision, decide, policy
from app.authz.explain.explanation import Question, reason_for
from app.authz.explain.steps import trace_of
from app.authz.information.cache import Caller
from app.config import settings
from app.kernel import clock
from app.vocabulary import Reason


class _Outcome(NamedTuple):
    """A decision, and what was found of that which it is about."""

    request: EvaluationRequest
    person: facts.Person | None
    at: facts.Organisation | None
    decision: Decision
    nanoseconds: int


def evaluate(client: Caller, request: EvaluationRequest) -> Answer:
    """Answer `request` for `client` and record the answer.

    Raises `ApiError` 403 when the policy does not let the client ask this and 503 when too little is known here yet,
    `UndecidedError` when the policy cannot say. Whatever else goes wrong is raised too, the recording included: what
    cannot be accounted for is not answered.
    """
    with Reach(client) as reach:
        # To find the client, the same view was asked, and looked for changes.
        outcome, revision = gathered(
            lambda gatherer: _outcome(gatherer, reach, request),
            request.at_least_revision,
            own=client.fact.service,
            has_looked=True,
        )
    return Answer(account(client, revision, _logged(outcome)), outcome.decision, revision)


def evaluate_explained(client: Caller, request: EvaluationRequest) -> tuple[Answer, Message]:
    """Answer `request` like `evaluate`, and say why. Takes a thousand times as long, and raises the same."""
    # One clock for the answer and for why it is so.
    with Reach(client) as reach, clock.pinned(clock.now()):
        (outcome, question), revision = gathered(
            lambda gatherer: _with_question(gatherer, _outcome(gatherer, reach, request)),
            request.at_least_revision,
            own=client.fact.service,
            has_looked=True,
        )
        why = explanation(client.fact, outcome.decision, question)
    return Answer(account(client, revision, _logged(outcome)), outcome.decision, revision), why


def evaluate_all(client: Caller, batch: Batch) -> list[Answer | Failure]:
    """Answer the questions of `batch` for `client` in their order, as far as its semantic says, and record the answers.

    All answers are as of one revision. A question that cannot be answered is a failure in its place, which counts as a
    no. Raises `ApiError` 503 when too little is known here yet or it takes too long, and whatever goes wrong with them
    all.
    """
    reach = Reach(client)
    deadline = monotonic() + settings().time_limit

    def outcomes(gatherer: Gatherer) -> list[_Outcome | Failure]:
        found: list[_Outcome | Failure] = []
        for item in batch.items:
            found.append(_item_outcome(gatherer, reach, item))
            if _is_last(batch.semantic, found[-1]):
                break
            if monotonic() > deadline:
                raise ApiError(
                    503,
                    f"Answering took longer than {settings().time_limit} seconds. Take it as a no, and ask for less at"
                    " once.",
                    headers={"Retry-After": "1"},
                )
        return found

    # One clock for all: midnight may fall between two of them.
    with reach, clock.pinned(clock.now()):
        found, revision = gathered(outcomes, batch.at_least_revision, own=client.fact.service, has_looked=True)
    items = [_logged(one) for one in found if isinstance(one, _Outcome)]
    ids = iter(account_all(client, revision, items))
    return [one if isinstance(one, Failure) else Answer(next(ids), one.decision, revision) for one in found]


def _item_outcome(gatherer: Gatherer, reach: Reach, item: EvaluationRequest | Failure) -> _Outcome | Failure:
    if isinstance(item, Failure):
        return item
    try:
        return _outcome(gatherer, reach, item)
    except ApiError as error:
        return Failure(error.status, error.sentence)
    except UndecidedError as error:
        return Failure(500, str(error))


def _is_last(semantic: Semantic, outcome: _Outcome | Failure) -> bool:
    if semantic is Semantic.EXECUTE_ALL:
        return False
    allowed = isinstance(outcome, _Outcome) and outcome.decision.allowed
    return allowed is (semantic is Semantic.PERMIT_ON_FIRST_PERMIT)


def _outcome(gatherer: Gatherer, reach: Reach, request: EvaluationRequest) -> _Outcome:
    started = perf_counter_ns()
    asked_under = reach.check(request.resource.type, request.resource.id)
    at = gatherer.organisation(request.organisation)
    person = gatherer.person(request.subject)
    decision = _decision(gatherer, request, person, at, asked_under)
    return _Outcome(request, person, at, decision, perf_counter_ns() - started)


def _with_question(gatherer: Gatherer, outcome: _Outcome) -> tuple[_Outcome, Question | None]:
    """Return an outcome with the question that was put to the policy; None where nothing was."""
    request, person, at = outcome.request, outcome.person, outcome.at
    thing = gatherer.thing(request.resource, at)
    unknown = (Reason.UNKNOWN_ACTION, Reason.UNKNOWN_ORGANISATION)
    if person is None or thing is None or outcome.decision.reason in unknown:
        return outcome, None
    context = context_of(request, at)
    return outcome, Question(person, request.action.name, thing, context, gatherer.roles(thing))


def _decision(
    gatherer: Gatherer,
    request: EvaluationRequest,
    person: facts.Person | None,
    at: facts.Organisation | None,
    asked_under: str,
) -> Decision:
    thing = gatherer.thing(request.resource, at)
    if thing is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_RESOURCE, policy=asked_under)
    if request.action.name not in policy().permissions[type(thing).__name__]:
        return Decision(allowed=False, reason=Reason.UNKNOWN_ACTION, policy=asked_under)
    if request.organisation is not None and at is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_ORGANISATION, policy=asked_under)
    if person is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_SUBJECT, policy=asked_under)
    context = context_of(request, at)
    decision = decide(person, request.action.name, thing, context)
    if decision.allowed or decision.reason is Reason.POLICY_ERROR:
        return decision
    return reason_for(Question(person, request.action.name, thing, context, gatherer.roles(thing)), decision)


def _logged(outcome: _Outcome) -> Item:
    request, decision = outcome.request, outcome.decision
    return (
        # What resolves to nobody may be anything, a name or an address included: it is not kept.
        "unknown" if outcome.person is None else f"person:{outcome.person.public_id}",
        request.action.name,
        f"{request.resource.type}:{request.resource.id}",
        "" if outcome.at is None else outcome.at.public_id,
        decision.allowed,
        decision.reason,
        decision.policy,
        outcome.nanoseconds,
        trace_of(decision),
    )
