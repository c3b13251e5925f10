"""What one portal runs on. Every request of a portal finds its own; two portals can live in one process.

A WSGI application activates its runtime for the length of a request. Outside of requests, in commands and in threads of
the process itself, the runtime that the process `use`s counts.
"""

from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from peewee import Database

from app.config import Settings

if TYPE_CHECKING:
    from app.audit.decision_log import DecisionLog
    from app.authz.engine.engine import Engine
    from app.authz.information.cache import DirectoryView
    from app.kernel.rate_limit import TokenBuckets


EXTENSION = "tessera"
"""The name under which a Flask application has its runtime in `extensions`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """Everything that one portal works with. A command that decides nothing has settings and a database alone."""

    settings: Settings
    database: Database
    engine: "Engine" = None  # type: ignore[assignment]  # asked without one, the decision point denies
    """The policy in force."""
    view: "DirectoryView" = None  # type: ignore[assignment]  # a portal has one
    """What is cached of the directory."""
    decision_log: "DecisionLog" = None  # type: ignore[assignment]  # a portal has one
    token_buckets: "TokenBuckets" = None  # type: ignore[assignment]  # a portal has them
    """What each client may still ask."""


active: ContextVar[Runtime | None] = ContextVar("runtime", default=None)
"""The runtime of the request under way; a WSGI application sets it, and resets it at the end."""

_of_process: Runtime | None = None


def current() -> Runtime:
    """Return the runtime that counts here. Raises RuntimeError where there is none yet."""
    runtime = active.get() or _of_process
    if runtime is None:
        raise RuntimeError("nothing runs here yet: call runtime.use first")
    return runtime


def use(runtime: Runtime) -> None:
    """Make `runtime` the one that counts in this process, outside of requests."""
    global _of_process  # noqa: PLW0603  (the one thing that a process has to remember)
    _of_process = runtime


def is_in_use() -> bool:
    """Return whether there is a current runtime."""
    return (active.get() or _of_process) is not None


def settings() -> Settings:
    """Return the settings of the current runtime."""
    return current().settings


def thread(run: Callable[[], None], name: str, *, daemon: bool = True) -> Thread:
    """Return a thread that runs `run` on the current runtime, to be started.

    Nothing else of the request under way concerns it, such as the moment that its clock is pinned to.
    """
    context = Context()
    context.run(active.set, current())
    return Thread(target=context.run, args=(run,), name=name, daemon=daemon)
