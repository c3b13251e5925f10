"""What an operator does at the command line is asked of the policy, like what anybody does on a page."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.authz import facts
from app.authz.decision_point import decide, use_policy
from app.authz.engine.engine import Engine
from app.authz.information import directory
from app.authz.polar.names import wire_name
from app.cli.base import migrated_database
from app.config import Settings
from app.kernel.errors import ProblemError
from app.vocabulary import Action, Reason


@contextmanager
def policy_in_force() -> Iterator[Settings]:
    """Like `migrated_database`, with the policy loaded, for commands that use `ensure_allowed`."""
    with migrated_database() as settings:
        use_policy(Engine.load(*settings.policy_folders))
        yield settings


def ensure_allowed(action: Action, resource: facts.Fact | None) -> None:
    """Raise `ProblemError` unless the policy lets the operator do `action` to `resource`; to nothing, it never does."""
    if resource is None:
        raise ProblemError("This has ended meanwhile, so nothing was done.")
    decision = decide(directory.OPERATOR, action, resource)
    if decision.allowed:
        return
    kind = wire_name(type(resource).__name__)
    if decision.reason == Reason.POLICY_ERROR:
        raise ProblemError(
            f"The policy failed while it was asked whether the operator may {action} this {kind}, so nothing was done. "
            "`tessera policy check` says more."
        )
    raise ProblemError(
        f"The policy does not let the operator {action} this {kind}, so nothing was done. "
        f"The rules for it are in {kind}.polar."
    )
