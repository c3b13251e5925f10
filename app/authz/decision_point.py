"""The one question: may this actor do this to that? Any error on the way to an answer is a no."""

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from peewee import PeeweeException

from app.audit.operations import record
from app.authz import facts
from app.authz.engine.engine import Engine
from app.authz.engine.sandbox import PolicyError
from app.authz.engine.tree import Path
from app.kernel import clock
from app.kernel.database import connected
from app.vocabulary import EventName, Reason

_log = logging.getLogger(__name__)
_ANY_ORGANISATION = facts.Context()

_SILENT_SECONDS = 60
_MOST_FAILURES = 100
"""How many different failures are told apart in a minute."""

errors: Counter[str] = Counter()
"""How often deciding failed in this process, by policy digest."""


@dataclass(frozen=True)
class Decision:
    """An answer. `reason` is finer than yes and no only where `explaining.reason_for` was asked."""

    allowed: bool
    reason: Reason
    policy: str
    leaf: int | None = None
    """Where the recording of this policy holds how the answer came about."""
    path: Path = ()
    """How it came about, if the recording does not hold it."""

    def __bool__(self) -> bool:
        return self.allowed


_engine: Engine | None = None


def use_policy(engine: Engine) -> None:
    """Make `engine` the one that decides in this process. It is swapped in whole."""
    global _engine  # noqa: PLW0603  (one policy is in force, and readers see the old one or the new one)
    _engine = engine


def policy() -> Engine:
    """Return the engine that decides. Raises `PolicyError` before the first `use_policy`."""
    if _engine is None:
        raise PolicyError("no policy has been loaded")
    return _engine


def decide(
    actor: facts.Fact, action: str, resource: facts.Fact, context: facts.Context = _ANY_ORGANISATION
) -> Decision:
    """Return whether the policy in force lets `actor` do `action` to `resource` in `context`. Never raises."""
    digest = "none"
    try:
        engine = policy()
        digest = engine.digest
        leaf = engine.answer(actor, action, resource, context, clock.timestamp())
    except Exception as error:  # noqa: BLE001  (whatever goes wrong while deciding is a no)
        _note_failure(error, digest, resource)
        return Decision(allowed=False, reason=Reason.POLICY_ERROR, policy=digest)
    if leaf.decision is None:
        reason = Reason.ALLOWED if leaf.allowed else Reason.NOT_ALLOWED
        path = leaf.path if leaf.number is None else ()
        leaf.decision = Decision(leaf.allowed, reason, digest, leaf.number, path)
    decision: Decision = leaf.decision
    return decision


class _Noted:
    """Which failures were written down within the last minute."""

    def __init__(self) -> None:
        self._until = 0.0
        self._failures: set[tuple[str, ...]] = set()
        self._lock = Lock()

    def is_new(self, *failure: str) -> bool:
        """Return whether a failure (policy, kind of thing, sentence) is to be written down, and take it as written."""
        with self._lock:
            now = monotonic()
            if now >= self._until:
                self._failures.clear()
                self._until = now + _SILENT_SECONDS
            if failure in self._failures or len(self._failures) >= _MOST_FAILURES:
                return False
            self._failures.add(failure)
            return True


_noted = _Noted()


def _note_failure(error: Exception, digest: str, resource: facts.Fact) -> None:
    errors[digest] += 1
    # Only our own errors have messages that are known to hold nothing personal.
    sentence = str(error) if isinstance(error, PolicyError) else type(error).__name__
    # An event takes the writers' lock, and programs may ask the same thousands of times a second.
    if not _noted.is_new(digest, type(resource).__name__, sentence):
        return
    _log.error("deciding failed under policy %s: %s", digest, sentence)
    # Who asks at the door holds no connection.
    with suppress(PeeweeException), connected():
        record(
            EventName.DECIDING_FAILED,
            by="policy",
            subject=f"policy:{digest}",
            resource=type(resource).__name__,
            error=sentence[:300],
        )
