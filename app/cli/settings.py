"""`tessera settings`: what can be configured, and how it is configured here."""

import os
from typing import Any

import click

from app.cli.base import answer, as_json, examples
from app.config import SECRETS, SETTINGS, Settings, check, settings_in


@click.command(
    epilog=examples(
        "tessera settings",
        "DEVELOPMENT=1 tessera settings --json",
        "tessera settings --markdown",
    )
)
@as_json
@click.option("--markdown", is_flag=True, help="Print the documentation of all settings instead of their values.")
def settings(as_json: bool, markdown: bool) -> None:
    """Print every setting with its value and where the value comes from. Secrets are masked.

    A setting is an environment variable; docs/settings.md describes each.
    """
    if markdown:
        click.echo(_documentation())
        return
    chosen = settings_in(os.environ)
    values = _values(chosen)
    width = max(len(one["name"]) for one in values)
    lines = [f"{one['name']:<{width}}  {one['source']:<11}  {_text(one['value'])}".rstrip() for one in values]
    answer("\n".join(lines), {"settings": values}, for_program=as_json)
    # Last, so that they can be looked at when they cannot be used.
    check(chosen)


def _values(chosen: Settings) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "value": one.shown(chosen),
            "source": _source(one.name),
            "description": one.description,
        }
        for one in SETTINGS
    ]


def _source(name: str) -> str:
    if os.environ.get(name):
        return "environment"
    return "file" if name in SECRETS and os.environ.get(f"{name}_FILE") else "default"


def _text(value: bool | int | str | None) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _documentation() -> str:
    rows = [f"| `{one.name}` | {one.kind.words} | {one.default} | {one.description} |" for one in SETTINGS]
    return "\n".join(
        [
            "# Settings",
            "",
            "Each setting is an environment variable, read once at start. One that is empty counts as not set. With a",
            "value that cannot be used, nothing starts, and one sentence says why. `tessera settings` prints",
            "the values in force.",
            "",
            "A secret may be in a file, which the same name with `_FILE` at its end names: `DATABASE_URL_FILE`,",
            "`SECRET_KEY_FILE` and `SMTP_URL_FILE`. White space around it does not count.",
            "",
            "This page is generated from `app/config.py` with `make docs`.",
            "",
            "| name | value | default | what it does |",
            "|---|---|---|---|",
            *rows,
        ]
    )
