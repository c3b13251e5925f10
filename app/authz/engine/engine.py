"""A loaded policy, which decides whether an actor may do something to a resource.

A load that fails would leave oso with an empty rule base, so a policy is loaded into a new engine or not at all.
Decisions are recorded and replayed; whatever goes wrong while deciding is a `PolicyError`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from app.authz.engine.errors import PolicyError, runtime_problem
from app.authz.engine.proof import Proof, Prover
from app.authz.engine.replay import Conversation, Recording
from app.authz.engine.sandbox import SandboxedOso
from app.authz.engine.source import PolicySource
from app.authz.engine.tree import Leaf
from app.authz.engine.tree import Path as Conversed
from app.authz.facts import Context, Fact, Record, declared_kind
from app.authz.polar.names import wire_name
from app.kernel import clock
from app.kernel.metrics import decision_path


class PolicyLoadError(PolicyError):
    """A policy cannot be loaded; `problems` holds every error and warning, the first of which is the message."""

    def __init__(self, problems: Sequence[PolicyError]) -> None:
        first = problems[0]
        super().__init__(first.sentence, first.location)
        self.problems = problems


class Engine:
    """One policy, loaded once and never changed; any number of threads may use it.

    `digest` identifies the policy by its content; `permissions` holds the permissions that each resource block
    declares; `kinds` holds every kind of fact by its name, including those that only the policy declares;
    `subject_kinds` holds the types of subjects that only the policy declares, by the names that messages use;
    `reads_request` says whether any rule may read what a caller sends about the action or the request.

    Raises `PolicyLoadError` for an error or a warning of oso, and for a file that cannot be read or parsed.
    """

    def __init__(self, source: PolicySource) -> None:
        if source.errors:
            raise PolicyLoadError([PolicyError(error.message, error.location) for error in source.errors])
        self._source = source
        self._oso = SandboxedOso(source.kinds)
        # oso raises an error for a policy without any rule; here an empty policy allows nothing.
        self._is_empty = source.is_empty
        problems = [] if self._is_empty else self._oso.load(source.texts)
        if problems:
            raise PolicyLoadError(problems)
        self.recording = Recording()
        self.digest = source.digest
        self.kinds = source.kinds
        self.permissions = source.permissions()
        self.reads_request = source.reads_request
        self.subject_kinds = {wire_name(name): declared_kind(name) for name in source.subject_kinds}

    @classmethod
    def load(cls, *folders: Path) -> Self:
        """Return a new engine with all `*.polar` files of `folders`. Raises PolicyError as the constructor does."""
        return cls(PolicySource.read(*folders))

    @cached_property
    def declared_kinds(self) -> dict[str, type[Record]]:
        """The kinds of record that only this policy declares, by the name that messages use."""
        return {
            wire_name(name): kind
            for name, kind in self.kinds.items()
            if issubclass(kind, Record) and name in self.permissions
        }

    def answer(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Leaf:
        """Return the decision of the `allow` rules at `now` (seconds since 1970), and the path that led to it.

        A decision like an earlier one is replayed. Any other is made by Polar, and recorded if it can be. Raises
        PolicyError for whatever goes wrong.
        """
        try:
            leaf = self.recording.replay(actor, action, resource, context, now)
        except Exception:  # noqa: BLE001  (Polar decides then, and turns what a fact raises into a PolicyError)
            leaf = None
        return leaf or self._first_answer(actor, action, resource, context, now)

    def allows(self, actor: Fact, action: str, resource: Fact, context: Context) -> bool:
        """Return whether the policy's `allow` rules hold now. Raises PolicyError."""
        return self.answer(actor, action, resource, context, clock.timestamp()).allowed

    def ask_polar(
        self, actor: Fact, action: str, resource: Fact, context: Context, now: float
    ) -> tuple[bool, Conversation]:
        """Return the decision of Polar itself, without replay, and the conversation behind it. Raises PolicyError."""
        try:
            return self._oso.ask(actor, action, resource, context, now)
        except PolicyError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever is raised, the answer must be no)
            # Without the cause, whose traceback would show personal data from the facts.
            raise runtime_problem(error) from None

    def prove(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Proof | None:
        """Return the rules and facts that allow this at `now`; None if it is denied. Raises PolicyError.

        It always runs Polar, so it is for explanations only.
        """
        if self._is_empty:
            return None
        try:
            return self._prover.prove(actor, action, resource, context, now)
        except PolicyError:
            raise
        except Exception as error:  # noqa: BLE001  (as in `ask_polar`)
            raise runtime_problem(error) from None

    @cached_property
    def _prover(self) -> Prover:
        return Prover(self._source, lambda: SandboxedOso(self.kinds))

    def path_of(self, leaf: int) -> Conversed:
        """Return the questions and answers that lead to a leaf. Raises IndexError for one that is not there."""
        return self.recording.leaves[leaf].path

    def _first_answer(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Leaf:
        if not isinstance(action, str):
            raise PolicyError("Action must be a string.")
        if not (isinstance(actor, Fact) and isinstance(resource, Fact) and isinstance(context, Context)):
            raise PolicyError("Actor, resource and context must be facts.")
        if self._is_empty:
            return Leaf(None, (), allowed=False)
        # Polar would take a member of a StrEnum for an object and not for a string.
        action = str.__str__(action)
        allowed, conversation = self.ask_polar(actor, action, resource, context, now)
        path = conversation.path
        kept = self.recording.add(actor, action, resource, path, allowed=allowed) if conversation.is_known else None
        decision_path.labels("recorded" if kept else "asked_polar").inc()
        return kept or Leaf(None, path, allowed=allowed)
