"""The scope of a client: what it may ask about. The policy decides, by type of resource and service."""

from functools import lru_cache
from time import perf_counter_ns
from typing import Self

from msgspec import Struct, field

from app.api.errors import NotPermittedError, RequestError, UndecidedError, UnknownResourceError
from app.audit import decision_log
from app.audit.decision_codec import LoggedDecision
from app.authz import facts
from app.authz.decision_point import Decision, decide, policy
from app.authz.explain.steps import trace_of
from app.authz.information import cache
from app.authz.information.cache import Caller
from app.kernel import clock
from app.vocabulary import DIRECTORY_KINDS, Action, Reason, ServiceState


class ClientScope(Struct):
    """What one client may ask about. Asks the policy once for each type of resource, however many evaluations come.

    What is refused inside its `with` block is recorded at the end: by then a request that was about to change something
    has released the lock that the log may wait for.
    """

    caller: Caller
    _refused: list[LoggedDecision] = field(default_factory=list)
    _policies: dict[tuple[Action, str, bool], str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Record what was refused. Raises `NotLoggedError`."""
        if self._refused:
            log, revision = decision_log.current(), cache.current().revision
            log.write_all(clock.timestamp(), self.caller.reference, revision, self._refused)

    def begin_again(self) -> None:
        """Forget what was refused so far: the request is evaluated again, as of another revision."""
        self._refused.clear()

    def check(self, type_name: str, resource_id: str | None, action: Action = Action.ASK) -> str:
        """Return the digest of the policy that lets the client do `action` with a resource.

        A `resource_id` of None stands for whatever resources of this type its own service has. Raises
        `NotPermittedError` when the policy does not allow it, `UndecidedError` when it cannot say, and
        `UnknownResourceError` for what there is not.
        """
        # Decided from the name alone: another service's resources are refused alike whether they exist or not.
        service = self.caller.client.service
        if service is not None and not (
            resource_id is None
            or (type_name == "service" and resource_id == service.slug)
            or (type_name == "role" and resource_id.startswith(f"{service.slug}:"))
            or type_name not in DIRECTORY_KINDS
        ):
            service = None
        key = (action, type_name, service is not None)
        client_may_ask = self.caller.client.service is not None and self.caller.client.kinds
        digest = self._policies.get(key)
        if digest is None:
            is_own = service is not None and type_name in DIRECTORY_KINDS
            if client_may_ask and not is_own and self._is_nobodys(type_name, resource_id):
                raise UnknownResourceError(f"There is no {type_name} {resource_id}.")
            started = perf_counter_ns()
            evaluation = _evaluation(type_name, service.slug, service.state) if service else _evaluation(type_name)
            decision = decide(self.caller.client, action, evaluation)
            if not decision.allowed:
                resource = f"{type_name}:{'*' if resource_id is None else resource_id}"
                raise self._refusal(action, resource, decision, perf_counter_ns() - started)
            digest = self._policies[key] = decision.policy
        return digest

    def _is_nobodys(self, type_name: str, resource_id: str | None) -> bool:
        """Return whether there is no type `type_name`, or no service to which this service or role would belong.

        What exists, and is another service's, is not to be asked about; of what does not, the answer is a no.
        """
        if type_name not in DIRECTORY_KINDS:
            return type_name not in policy().declared_kinds
        owner, colon, _role = (resource_id or "").partition(":")
        if bool(colon) != (type_name == "role"):
            return True
        found = cache.current().service(owner)
        # What is hidden or retired does not exist for anybody else.
        return found is None or (found.state != ServiceState.LIVE and found != self.caller.client.service)

    def _refusal(self, action: Action, resource: str, decision: Decision, nanoseconds: int) -> RequestError:
        """Remember a refusal for the log, and return the error that says so."""
        client, reason, trace = self.caller.client, decision.reason, trace_of(decision)
        self._refused.append(
            (self.caller.reference, action, resource, "", False, reason, decision.policy, nanoseconds, trace)
        )
        if reason is Reason.POLICY_ERROR:
            return UndecidedError("The policy could not say whether this may be asked.")
        if client.service is None or not client.kinds:
            missing = "no service" if client.service is None else "no types of resource"
            return NotPermittedError(
                f"This key may not ask about anything yet: it has {missing}. Whoever runs the portal can make one that"
                " has; in a pack, `service` and `kinds` of the client say so."
            )
        types = ", ".join(sorted(client.kinds))
        return NotPermittedError(
            f"This key may ask only about the service {client.service.slug}, and only about: {types}."
        )


@lru_cache(maxsize=256)
def _evaluation(type_name: str, slug: str = "", state: str = "") -> facts.Evaluation:
    # By everything that a rule can read: a service in another state is another fact, although it compares as the same.
    return facts.Evaluation(type_name, facts.Service(slug, state) if slug else None)
