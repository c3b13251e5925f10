"""`tessera role`: what people can be given at an organisation."""

from typing import Any

import click

from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database
from app.cli.parameters import NAME, SENTENCE, RoleOfService
from app.cli.permission import ensure_allowed, policy_in_force
from app.services.lifecycle import add_role, change_role, restore_role, retire_role
from app.services.models import Role
from app.services.operations import NewRole
from app.services.queries import role_ever_with_slug, roles_ever, service_with_slug
from app.vocabulary import Action

_slug = click.argument("slug", metavar="SERVICE:ROLE")


@click.group()
def role() -> None:
    """What people can be given at an organisation."""


@role.command(
    epilog=examples("tessera role add training 'leader=Team leader: Sees the progress of a team.'"),
)
@click.argument("service")
@click.argument("new", metavar="SLUG=NAME", type=RoleOfService())
@as_json
def add(service: str, new: NewRole, as_json: bool) -> None:
    """Add a role to SERVICE, after its others. Exams officers can give it at once."""
    with policy_in_force():
        owner = found("service", service, service_with_slug)
        ensure_allowed(Action.CHANGE, directory.service(owner))
        added = add_role(owner, new)
        answer(
            f"Added {added.slug}.",
            _members(added),
            for_program=as_json,
            undo=command_line("role", "retire", added.slug),
        )


@role.command(name="list", epilog=examples("tessera role list"))
@as_json
def list_(as_json: bool) -> None:
    """List every role, retired ones included."""
    with migrated_database():
        answer_list([_members(row) for row in roles_ever()], _words, for_program=as_json)


@role.command(epilog=examples("tessera role change training:leader --by-board"))
@_slug
@click.option("--name", type=NAME, help="What pages call it, after the name of its service.")
@click.option("--sentence", type=SENTENCE, help="What it lets people do.")
@click.option(
    "--by-officers/--by-board",
    "officers_may_give",
    default=None,
    help="Who gives it: exams officers, or only you here.",
)
@as_json
def change(slug: str, as_json: bool, **options: str | bool | None) -> None:
    """Change the words for a role, or who may give it. Whoever holds it keeps it."""
    with policy_in_force():
        row = _asked(slug, Action.CHANGE)
        values = {name: value for name, value in options.items() if value is not None}
        before = [word for name in values for word in _option(name, getattr(row, name))]
        change_role(row, values)
        answer(
            f"Changed {slug}.",
            _members(row),
            for_program=as_json,
            undo=command_line("role", "change", slug, *before),
        )


@role.command(epilog=examples("tessera role retire training:leader"))
@_slug
@as_json
def retire(slug: str, as_json: bool) -> None:
    """Take a role away from everybody at once, and from the pages. Restoring it gives it back to the same people."""
    with policy_in_force():
        row = _asked(slug, Action.CHANGE_STATE)
        retire_role(row)
        answer(
            f"{slug} is retired: nobody holds it, and nobody can be given it.",
            {"slug": slug, "state": "retired"},
            for_program=as_json,
            undo=command_line("role", "restore", slug),
        )


@role.command(epilog=examples("tessera role restore training:leader"))
@_slug
@as_json
def restore(slug: str, as_json: bool) -> None:
    """Give a retired role back to whoever held it."""
    with policy_in_force():
        row = _asked(slug, Action.CHANGE_STATE)
        restore_role(row)
        answer(
            f"{slug} can be given again, and whoever held it holds it.",
            {"slug": slug, "state": "offered"},
            for_program=as_json,
            undo=command_line("role", "retire", slug),
        )


def _asked(slug: str, action: Action) -> Role:
    """Return the role with this slug. Raises `ProblemError` if there is none, or if the policy refuses `action`."""
    row = found("role", slug, role_ever_with_slug)
    ensure_allowed(action, directory.role(row, None))
    return row


def _option(name: str, value: str | bool) -> list[str]:
    if isinstance(value, bool):
        return ["--by-officers" if value else "--by-board"]
    return [f"--{name}", str(value)]


def _members(row: Role) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.full_name,
        "sentence": row.sentence,
        "given_by": "officers" if row.officers_may_give else "board",
        "retired_at": row.retired_at and row.retired_at.isoformat(),
    }


def _words(row: dict[str, Any]) -> str:
    who = "" if row["given_by"] == "officers" else ", given by the board only"
    retired = f" (retired on {row['retired_at'][:10]})" if row["retired_at"] else ""
    return f"{row['slug']}  {row['name']}{who}{retired}"
