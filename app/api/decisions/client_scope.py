"""What a client may ask about: the policy says so, for a kind of thing of a service."""

from time import perf_counter_ns
from typing import Self

from app.api.decisions.recording import account_all
from app.api.errors import ApiError
from app.audit.decision_codec import Item
from app.authz import facts
from app.authz.decision_point import decide
from app.authz.explain.steps import trace_of
from app.authz.information import cache
from app.authz.information.cache import Caller
from app.vocabulary import Action, Reason


class UndecidedError(Exception):
    """The policy could not say whether a client may ask, so nothing is answered."""


class Reach:
    """How far one client reaches. Asks the policy once for each kind of thing, however many questions there are.

    What is refused inside its block is logged at the end: by then whoever was about to change something has given back
    the lock that the log may wait for.
    """

    def __init__(self, client: Caller) -> None:
        self._caller = client
        self._client = client.fact
        self._refused: list[Item] = []
        self._policies: dict[tuple[Action, str, bool], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Log what was refused. Raises `ApiError` 503."""
        if self._refused:
            account_all(self._caller, cache.current().revision, self._refused)

    def check(self, kind: str, name: str | None, action: Action = Action.ASK) -> str:
        """Return the digest of the policy that lets the client do `action` with the thing `name` of a `kind`.

        None names whatever its own service has of them.

        Raises `ApiError` 403 when it does not, `UndecidedError` when it cannot say.
        """
        # Told from the name alone: another service's things are refused alike whether they exist or not.
        key = (action, kind, self._is_own(kind, name))
        digest = self._policies.get(key)
        if digest is None:
            digest = self._policies[key] = self._asked(*key, name)
        return digest

    def _asked(self, action: Action, kind: str, own: bool, name: str | None) -> str:  # noqa: FBT001  (one caller)
        began = perf_counter_ns()
        asked = decide(self._client, action, facts.Evaluation(kind, self._client.service if own else None))
        if asked.allowed:
            return asked.policy
        resource, took = f"{kind}:{'*' if name is None else name}", perf_counter_ns() - began
        client = self._caller.reference
        self._refused.append((client, action, resource, "", False, asked.reason, asked.policy, took, trace_of(asked)))
        if asked.reason is Reason.POLICY_ERROR:
            raise UndecidedError("The policy could not say whether this may be asked.")
        raise ApiError(403, self._sentence())

    def _is_own(self, kind: str, name: str | None) -> bool:
        if self._client.service is None:
            return False
        if name is None:
            return True
        if kind == "service":
            return name == self._client.service.slug
        if kind == "role":
            return name.startswith(f"{self._client.service.slug}:")
        return True

    def _sentence(self) -> str:
        if self._client.service is None or not self._client.kinds:
            return "This key may not ask about anything yet."
        kinds = ", ".join(sorted(self._client.kinds))
        return f"This key may ask only about the service {self._client.service.slug}, and only about: {kinds}."
