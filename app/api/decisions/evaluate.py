"""Evaluates what one client asks: check its scope, resolve the names, decide, record. Knows no HTTP."""

from collections import Counter
from dataclasses import replace
from time import monotonic, perf_counter_ns

from msgspec import Struct, structs

from app.api.decisions.client_scope import ClientScope
from app.api.decisions.explanation import explanation_message
from app.api.decisions.resolver import Resolved, Resolver, described, resolvers
from app.api.errors import RequestError, TimedOutError, UnknownResourceError
from app.api.wire.requests import Batch, EvaluationRequest, FailedItem, Semantic
from app.api.wire.responses import Answer
from app.audit.decision_codec import LoggedDecision
from app.authz import facts
from app.authz.decision_point import Decision, DecisionRequest, decide, decide_request, policy
from app.authz.explain.explanation import reason_for, stranger
from app.authz.explain.steps import trace_of
from app.authz.information.cache import Caller
from app.kernel import clock, metrics
from app.runtime import current, settings
from app.vocabulary import DIRECTORY_KINDS, Action, Reason

_NOBODY = Decision(allowed=False, reason=Reason.NOT_ALLOWED, policy="")
"""That nobody who is not there may do anything, whatever the policy says."""


class _Outcome(Struct, frozen=True):
    """An evaluation with what came of it. `asked` is the request that the policy denied, with what could be granted."""

    request: EvaluationRequest
    resolved: Resolved
    decision: Decision
    asked: DecisionRequest | None
    nanoseconds: int


def evaluate(caller: Caller, request: EvaluationRequest, *, explain: bool = False) -> Answer:
    """Answer `request` of `caller`, and record the answer. To `explain` it takes a thousand times as long.

    Raises `NotPermittedError` and `UndecidedError` from the caller's scope, `NotFreshError` when too little is known
    here yet, `NotLoggedError` when the answer cannot be recorded. Whatever else goes wrong is raised too.
    """
    with ClientScope(caller) as scope:
        # The client was authenticated by the same view, which looked for changes then.
        types = request.subject.type, request.resource.type
        for resolver in resolvers(caller.client, request.at_least_revision, types, is_fresh=True):
            outcome = _outcome(scope, resolver, request)
    decision, revision = outcome.decision, resolver.revision
    explanation = explanation_message(caller.client, _asked(outcome), decision) if explain else None
    log = current().decision_log
    answer_id = log.write(clock.timestamp(), caller.reference, revision, _logged_decision(outcome))
    kind = request.resource.type
    # As `count_decisions` does, without its call.
    metrics.decided[decision.reason, kind if kind in DIRECTORY_KINDS else "other"].inc()
    return Answer(answer_id, decision, revision, explanation, resolver.stale_seconds)


def evaluate_all(caller: Caller, batch: Batch) -> list[Answer | FailedItem]:
    """Answer the evaluations of `batch` in their order, as far as its semantic says, and record the answers.

    All answers are as of one revision. An evaluation that cannot be answered fails in its place, which counts as a
    deny. Raises `NotFreshError`, `TimedOutError`, `NotLoggedError`, and whatever else goes wrong with all of them.
    """
    deadline = monotonic() + settings().time_limit
    asked = [one for one in batch.items if isinstance(one, EvaluationRequest)]
    types = {one.subject.type for one in asked} | {one.resource.type for one in asked}
    # One clock for all: midnight may fall between two of them.
    with ClientScope(caller) as scope, clock.pinned(clock.now()):
        for resolver in resolvers(caller.client, batch.at_least_revision, types, is_fresh=True):
            scope.begin_again()
            outcomes = _batch_outcomes(scope, resolver, batch, deadline)
    revision = resolver.revision
    items = [_logged_decision(one) for one in outcomes if isinstance(one, _Outcome)]
    ids = iter(current().decision_log.write_all(clock.timestamp(), caller.reference, revision, items))
    _count(outcomes)
    stale = resolver.stale_seconds
    return [
        one if isinstance(one, FailedItem) else Answer(next(ids), one.decision, revision, stale_seconds=stale)
        for one in outcomes
    ]


def _count(outcomes: list[_Outcome | FailedItem]) -> None:
    metrics.batch_size.observe(len(outcomes))
    answered = [one for one in outcomes if isinstance(one, _Outcome)]
    same = Counter((one.decision.reason, one.request.resource.type) for one in answered)
    for (reason, kind), number in same.items():
        metrics.count_decisions(reason, kind, number)


def _batch_outcomes(
    scope: ClientScope, resolver: Resolver, batch: Batch, deadline: float
) -> list[_Outcome | FailedItem]:
    outcomes: list[_Outcome | FailedItem] = []
    for item in batch.items:
        try:
            outcomes.append(item if isinstance(item, FailedItem) else _outcome(scope, resolver, item))
        except RequestError as error:
            outcomes.append(FailedItem(error))
        if _is_last(batch.semantic, outcomes[-1]):
            break
        if monotonic() > deadline:
            raise TimedOutError(
                f"Answering took longer than {settings().time_limit} seconds. Take it as a no, and ask for less at"
                " once."
            )
    return outcomes


def _is_last(semantic: Semantic, outcome: _Outcome | FailedItem) -> bool:
    if semantic is Semantic.EXECUTE_ALL:
        return False
    allowed = isinstance(outcome, _Outcome) and outcome.decision.allowed
    return allowed is (semantic is Semantic.PERMIT_ON_FIRST_PERMIT)


def _outcome(scope: ClientScope, resolver: Resolver, request: EvaluationRequest) -> _Outcome:
    """Return what comes of `request`: may it be asked, what is it about, is that allowed, and why not."""
    started = perf_counter_ns()
    try:
        digest = scope.check(request.resource.type, request.resource.id)
        resolved = resolver.resolve(request)
    except UnknownResourceError:
        digest = policy().digest
        # It may be there, and not exist for anybody else than its own service.
        resolved = structs.replace(resolver.resolve(request), resource=None, unknown=Reason.UNKNOWN_RESOURCE)
    subject, resource, asked = resolved.subject, resolved.resource, None
    if resource is None or resolved.unknown is not None:
        assert resolved.unknown is not None
        decision = Decision(allowed=False, reason=resolved.unknown, policy=digest)
    else:
        decision = _NOBODY if subject is None else decide(subject, request.action.name, resource, resolved.context)
        if not decision.allowed:
            asked, decision = _with_reason(resolver, request, resolved, decision)
    return _Outcome(request, resolved, decision, asked, perf_counter_ns() - started)


def _with_reason(
    resolver: Resolver, request: EvaluationRequest, resolved: Resolved, decision: Decision
) -> tuple[DecisionRequest | None, Decision]:
    """Return what was denied, with what could be granted, and the `decision` with its reason.

    Of somebody about whom the client may not learn, the reason is that of a stranger, whether or not there is such a
    person: an account and a school are not the business of a service without whose roles they are held.
    """
    subject, resource, context = resolved.subject, resolved.resource, resolved.context
    assert resource is not None
    # What only the policy declares is the service's own.
    is_stranger = subject is None or (
        isinstance(subject, facts.Person) and not decide(resolver.client, Action.LEARN_ABOUT, subject, context).allowed
    )
    if subject is None or is_stranger:
        subject = described(stranger(context.organisation), request.subject)
    asked = DecisionRequest(subject, request.action.name, resource, context, resolver.grantable_roles(resource))
    if is_stranger:
        decision = decide_request(asked)
        if decision.allowed:
            return None, replace(decision, allowed=False, reason=Reason.UNKNOWN_SUBJECT, leaf=None)
    is_lasting = not (request.subject.properties or request.resource.properties)
    return asked, reason_for(asked, decision, is_lasting=is_lasting)


def _asked(outcome: _Outcome) -> DecisionRequest | None:
    """Return what the policy decided, for an explanation; None where something was unknown."""
    resolved = outcome.resolved
    if outcome.asked is not None or resolved.unknown is not None:
        return outcome.asked
    assert resolved.subject is not None
    assert resolved.resource is not None
    return DecisionRequest(resolved.subject, outcome.request.action.name, resolved.resource, resolved.context)


def _logged_subject(request: EvaluationRequest, resolved: Resolved) -> str:
    # A name that resolves to nobody may be anything, a real name or an address included: it is not kept.
    subject = resolved.subject
    return f"{request.subject.type}:{subject.id}" if isinstance(subject, facts.Record) else "unknown"


def _logged_decision(outcome: _Outcome) -> LoggedDecision:
    request, resolved, decision = outcome.request, outcome.resolved, outcome.decision
    subject = resolved.subject
    return (
        f"person:{subject.public_id}" if isinstance(subject, facts.Person) else _logged_subject(request, resolved),
        request.action.name,
        f"{request.resource.type}:{request.resource.id}",
        "" if resolved.organisation is None else resolved.organisation.public_id,
        decision.allowed,
        decision.reason,
        decision.policy,
        outcome.nanoseconds,
        trace_of(decision) if decision.leaf is None else decision.leaf,
    )
