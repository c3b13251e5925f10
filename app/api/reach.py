"""What a client may ask about: the policy says so, for a kind of thing of a service."""

from app.api.errors import ApiError
from app.authz import facts
from app.authz.cache import Caller
from app.authz.deciding import decide
from app.vocabulary import Action, Reason


class UndecidedError(Exception):
    """The policy could not say whether a client may ask, so nothing is answered."""


class Reach:
    """How far one client reaches. Asks the policy once for each kind of thing, however many questions there are."""

    def __init__(self, client: Caller) -> None:
        self._client = client.fact
        self._policies: dict[tuple[Action, str, bool], str] = {}

    def check(self, kind: str, name: str | None, action: Action = Action.ASK) -> str:
        """Return the digest of the policy that lets the client do `action` with the thing `name` of a `kind`.

        None names whatever its own service has of them.

        Raises `ApiError` 403 when it does not, `UndecidedError` when it cannot say.
        """
        # Told from the name alone: another service's things are refused alike whether they exist or not.
        key = (action, kind, self._is_own(kind, name))
        digest = self._policies.get(key)
        if digest is None:
            digest = self._policies[key] = self._asked(*key)
        return digest

    def _asked(self, action: Action, kind: str, own: bool) -> str:  # noqa: FBT001  (one caller, which hands on a key)
        permission = decide(self._client, action, facts.Evaluation(kind, self._client.service if own else None))
        if permission.reason is Reason.POLICY_ERROR:
            raise UndecidedError("The policy could not say whether this may be asked.")
        if not permission:
            raise ApiError(403, self._sentence())
        return permission.policy

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
