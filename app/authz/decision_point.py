"""The policy decision point: may this actor do this to that? Any error on the way to an answer is a deny."""

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic
from typing import NamedTuple, NoReturn

from peewee import PeeweeException

from app.audit.operations import record
from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.engine.errors import PolicyError
from app.authz.engine.tree import Leaf, Path
from app.kernel import clock
from app.kernel.database import connected
from app.runtime import current, use
from app.vocabulary import EventName, Reason

_log = logging.getLogger(__name__)
_ANY_ORGANISATION = facts.Context()

_QUIET_SECONDS = 60
_FAILURE_LIMIT = 100
"""How many different failures are written down in `_QUIET_SECONDS`."""

errors: Counter[str] = Counter()
"""How often deciding failed in this process, by policy digest."""


class DecisionRequest(NamedTuple):
    """What is to be decided, and the roles that could be granted for it: what an explanation may suggest."""

    actor: facts.Fact
    action: str
    resource: facts.Fact
    context: facts.Context = _ANY_ORGANISATION
    grantable_roles: tuple[facts.Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision. `reason` is finer than allowed and not allowed only where `explanation.reason_for` was asked."""

    allowed: bool
    reason: Reason
    policy: str
    leaf: int | None = None
    """Where the recording of this policy holds how the decision came about."""
    path: Path = ()
    """How it came about, if the recording does not hold it."""

    def __bool__(self) -> NoReturn:
        """Refuse to be a condition: a decision that is there is not yet an allow. Raises TypeError."""
        raise TypeError("ask whether the decision is allowed, not whether there is one")


def use_policy(engine: Engine) -> None:
    """Make `engine` the one that decides in this process outside of requests, which have that of their portal."""
    use(replace(current(), engine=engine))


def policy() -> Engine:
    """Return the engine that decides. Raises `PolicyError` where there is none."""
    return current().engine or _no_policy()


def _no_policy() -> NoReturn:
    raise PolicyError("no policy has been loaded")


def decide(
    actor: facts.Fact, action: str, resource: facts.Fact, context: facts.Context = _ANY_ORGANISATION
) -> Decision:
    """Return whether the policy in force lets `actor` do `action` to `resource` in `context`. Never raises."""
    digest = "none"
    try:
        engine = current().engine or _no_policy()
        digest = engine.digest
        leaf = engine.answer(actor, action, resource, context, clock.timestamp())
    except Exception as error:  # noqa: BLE001  (whatever goes wrong while deciding is a deny)
        _report_failure(error, digest, resource)
        return Decision(allowed=False, reason=Reason.POLICY_ERROR, policy=digest)
    decision: Decision | None = leaf.decision
    return _decision_of(leaf, digest) if decision is None else decision


def decide_request(request: DecisionRequest) -> Decision:
    """Return what `decide` returns for `request`. Never raises."""
    return decide(request.actor, request.action, request.resource, request.context)


def _decision_of(leaf: Leaf, digest: str) -> Decision:
    """Make the one decision of a leaf: there are few leaves and many decisions."""
    reason = Reason.ALLOWED if leaf.allowed else Reason.NOT_ALLOWED
    path = leaf.path if leaf.number is None else ()
    leaf.decision = decision = Decision(leaf.allowed, reason, digest, leaf.number, path)
    return decision


class _ReportedFailures:
    """Which failures were written down within the last minute."""

    def __init__(self) -> None:
        self._until = 0.0
        self._failures: set[tuple[str, ...]] = set()
        self._lock = Lock()

    def add(self, *failure: str) -> bool:
        """Return whether a failure (policy, type of resource, message) is new and is to be written down."""
        with self._lock:
            now = monotonic()
            if now >= self._until:
                self._failures.clear()
                self._until = now + _QUIET_SECONDS
            if failure in self._failures or len(self._failures) >= _FAILURE_LIMIT:
                return False
            self._failures.add(failure)
            return True


_reported = _ReportedFailures()


def _report_failure(error: Exception, digest: str, resource: facts.Fact) -> None:
    errors[digest] += 1
    # Only our own errors have messages that are known to hold nothing personal.
    message = str(error) if isinstance(error, PolicyError) else type(error).__name__
    # An event takes the writers' lock, and clients may ask the same thousands of times a second.
    if not _reported.add(digest, type(resource).__name__, message):
        return
    _log.error("deciding failed under policy %s: %s", digest, message)
    # Requests of the API hold no connection.
    with suppress(PeeweeException), connected():
        record(
            EventName.DECIDING_FAILED,
            by="policy",
            subject=f"policy:{digest}",
            resource=type(resource).__name__,
            error=message[:300],
        )
