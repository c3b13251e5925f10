"""What the portal under test runs on, and how a test changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import Flask

from app.authz.information.cache import DirectoryView
from app.kernel import database as kernel
from app.kernel.rate_limit import TokenBuckets
from app.runtime import EXTENSION, Runtime, current, is_in_use, use

portals: list[Flask] = []
"""Those that run on what the test says, from one test to the next."""


def run_on(runtime: Runtime) -> None:
    """Have the process and the portal under test run on `runtime`."""
    use(runtime)
    for portal in portals:
        portal.extensions[EXTENSION] = runtime


def change(**changes: Any) -> None:
    """Change parts of what is run on: `engine`, `decision_log`, `database` and so on."""
    if not is_in_use():
        kernel.bind("sqlite:///:memory:")
    run_on(replace(current(), **changes))


def change_settings(**changes: Any) -> None:
    """Change settings by name."""
    settings = replace(current().settings, **changes)
    change(settings=settings, token_buckets=TokenBuckets(settings.rate_limit))


def forget_facts() -> None:
    """Cache nothing from before: what a test writes down itself, without an event, no process notices."""
    current().view.close()
    change(view=DirectoryView(current().settings.cache_people))


@contextmanager
def restored() -> Iterator[Runtime]:
    """Run on what was run on before, whatever the block changes."""
    change()
    before = current()
    try:
        yield before
    finally:
        run_on(before)


def end(*ended: Flask) -> None:
    """End portals that ran besides the one under test: their threads, and their connections."""
    with restored():
        for portal in ended:
            runtime: Runtime = portal.extensions[EXTENSION]
            runtime.decision_log.close()
            runtime.view.close()
            use(runtime)
            kernel.release()
