"""oso as it comes out of the box, asked about plain copies of the facts: what everything else is compared with."""

from pathlib import Path
from typing import Any

from oso import Oso
from polar.exceptions import OsoError

from app.authz import facts


class PlainOso:
    """A policy in an oso without our guard, our texts, our collections and our recording."""

    def __init__(self, *files: Path) -> None:
        self._oso = Oso()
        self._kinds: dict[str, type] = {}
        for name in (*facts.KINDS, "Record"):
            self._kinds[name] = type(name, (_Copy,), {})
            self._oso.register_class(self._kinds[name])
        self._oso.load_files([str(file) for file in files])
        self._copies: dict[int, Any] = {}
        self._copied_at: float | None = None

    def allows(self, actor: facts.Fact, action: str, resource: facts.Fact, context: facts.Fact, now: float) -> bool:
        """Return oso's answer. Raises what oso raises."""
        # Facts are frozen and what they say depends on the time alone, so one copy of each does for a moment.
        if now != self._copied_at:
            self._copies, self._copied_at = {}, now
        actor, resource, context = (self._copy(fact, now, self._copies) for fact in (actor, resource, context))
        return self.ask(actor, action, resource, context)

    def ask(self, actor: Any, action: str, resource: Any, context: Any) -> bool:
        """Return oso's answer about copies."""
        return any(True for _ in self._oso.query_rule("allow", actor, action, resource, context))

    def copied(self, fact: facts.Fact, now: float) -> Any:
        """Return a plain copy of a fact, and of all that hangs on it, as it is at `now`."""
        return self._copy(fact, now, {})

    def says(self, *question: Any) -> bool | None:
        """Return oso's answer, None for an error."""
        try:
            return self.allows(*question)
        except OsoError:
            return None

    def _copy(self, value: Any, now: float, copies: dict[int, Any]) -> Any:
        if isinstance(value, tuple | list):
            return [self._copy(element, now, copies) for element in value]
        if value is None:
            return _Missing()
        if isinstance(value, dict):
            value = facts.Properties(value)
        if not isinstance(value, facts.Fact):
            return value
        if id(value) in copies:
            return copies[id(value)]
        copy = copies[id(value)] = self._kinds[type(value).__name__]()
        copy.key = value._key
        # A copy of a temporary must not be found under the identity of a later one.
        copy.original = value
        values = value._values if isinstance(value, facts.Properties) else None
        for field in type(value).FIELDS if values is None else values:
            held = facts.read(value, field, now) if values is None else values[field]
            setattr(copy, field, self._copy(held, now, copies))
        return copy


class _Copy:
    """What plain Python would make of a fact."""

    key: tuple[object, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Copy) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __getattr__(self, name: str) -> "_Missing":
        """Answer for a missing property."""
        if type(self).__name__ != "Properties" or name.startswith("_"):
            raise AttributeError(name)
        return _Missing()


class _Missing:
    """Equals nil, and nothing else: not another missing value either."""

    def __eq__(self, other: object) -> bool:
        return other is None

    def __ne__(self, other: object) -> bool:
        if other is None:
            return False
        raise OsoError("`!=` with a missing value")

    def __hash__(self) -> int:
        return 0
