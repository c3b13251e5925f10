"""`tessera web`: the fork server of the portal, which `tessera serve` looks after."""

import logging
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from flask import Flask

from app.audit import decision_log
from app.authz.engine.engine import Engine
from app.authz.lint.findings import PolicyRejectedError
from app.authz.lint.verify import verify_settings
from app.config import Settings, read_settings
from app.factory import create_app, start_sampling
from app.kernel import log
from app.kernel.errors import ProblemError
from app.runtime import current
from app.server import fork_server, worker
from app.server.processes import end_with

_SWITCH_SECONDS = 0.001
"""How long one thread may keep the others from running: a fifth of what Python gives it, because most answers take less
and would wait for each long one. `make bench PART=hostile` measures what that does."""

_log = logging.getLogger(__name__)


@click.command(hidden=True)
@click.option("--control", type=int, required=True, help="The file descriptor of a socket to the supervisor.")
@click.option("--parent", type=int, required=True, help="The supervisor, which this process must not outlive.")
@click.option("--policies", type=click.Path(path_type=Path), required=True, help="Where the policy was copied from.")
@click.option("--pack", type=click.Path(path_type=Path), help="Where the pack was copied from.")
@click.option("--migrate", "is_to_migrate", is_flag=True, help="Bring the database up to date first.")
def web(control: int, parent: int, policies: Path, pack: Path | None, is_to_migrate: bool) -> None:
    """Load the portal, and fork a process that answers whenever the supervisor asks for one.

    Loaded once, for all of them and for those that take their place. Opens no database and no thread.
    """
    end_with(parent)
    settings = read_settings()
    engine = verified(settings, policies, pack)
    if is_to_migrate:
        # In a process of its own: what is forked must never have had a connection.
        migration = [sys.executable, "-P", "-m", "app.cli", "migrate"]
        if subprocess.run(migration, stdout=subprocess.DEVNULL, check=False).returncode:
            raise ProblemError("The database was not brought up to date; what was in the way is above.")
    fork_server.run(
        socket.socket(fileno=control),
        parent,
        lambda listener, heartbeat: worker.serve(
            listener, heartbeat, partial(_load, settings, engine), proxies=settings.proxies
        ),
    )


def verified(settings: Settings, policies: Path, pack: Path | None) -> Engine:
    """Return the engine of the policy of `settings`, which is a copy of what is in `policies` and `pack`.

    Raises `ProblemError` after having said what is wrong.
    """
    try:
        return verify_settings(settings)
    except PolicyRejectedError as rejected:
        for finding in rejected.findings:
            text = finding.as_text(policies, pack)
            if log.is_for_programs():
                _log.error("%s", text)
            else:
                # As compilers write it, so that editors find the place.
                click.echo(text, err=True)
        raise ProblemError("The server does not start, because its policy has the findings above.") from None


def _load(settings: Settings, engine: Engine, hand_over: Callable[[], None]) -> Flask:
    """Make the application, in the web process itself."""
    app = create_app(settings, engine)
    current().token_buckets.before_long = hand_over
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Old decisions are deleted even if no more requests come.
    decision_log.current().start()
    start_sampling()
    return app
