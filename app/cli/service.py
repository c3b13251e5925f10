"""`tessera service`: what the tiles open."""

from typing import Any

import click

from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database
from app.cli.parameters import LAUNCH_ADDRESS, NAME, SENTENCE, SLUG, RoleOfService
from app.cli.permission import ensure_allowed, policy_in_force
from app.services.lifecycle import change_service, set_service_state
from app.services.models import Service
from app.services.operations import NewRole, add_service
from app.services.queries import service_with_slug, services
from app.vocabulary import Action, ServiceState

_COMMANDS = {ServiceState.LIVE: "open", ServiceState.HIDDEN: "hide", ServiceState.RETIRED: "retire"}
"""Which command leads to each state."""

_slug = click.argument("slug")


@click.group()
def service() -> None:
    """What the tiles open."""


@service.command(
    epilog=examples(
        "tessera service add --slug training --name Training --sentence 'Practise marking.' "
        "--launch-address https://training.example.org --role user=User "
        "--role 'leader=Team leader: Sees the progress of a team.'",
    )
)
@click.option("--slug", required=True, type=SLUG, help="How programs and policies name it.")
@click.option("--name", required=True, type=NAME, help="What its tile says.")
@click.option("--sentence", required=True, type=SENTENCE, help="What people do there.")
@click.option("--launch-address", required=True, type=LAUNCH_ADDRESS, help="Where its tile leads.")
@click.option("--role", "roles", multiple=True, type=RoleOfService(), help="A role, in order; may be repeated.")
@as_json
def add(slug: str, name: str, sentence: str, launch_address: str, roles: tuple[NewRole, ...], as_json: bool) -> None:
    """Add a service with its roles. People can open it once they have been given one of these."""
    with policy_in_force():
        ensure_allowed(Action.ADD_SERVICE, directory.PLATFORM)
        added = add_service(slug, name, sentence, launch_address, roles)
        slugs = [f"{added.slug}:{role.slug}" for role in roles]
        answer(
            f"Added {name}. Its roles: {', '.join(slugs) or 'none'}.",
            {"slug": slug, "name": name, "roles": slugs},
            for_program=as_json,
            undo=command_line("service", "retire", slug),
        )


@service.command(name="list", epilog=examples("tessera service list"))
@as_json
def list_(as_json: bool) -> None:
    """List every service, hidden and retired ones included."""
    with migrated_database():
        answer_list([_members(row) for row in services()], _words, for_program=as_json)


@service.command(name="open", epilog=examples("tessera service open training"))
@_slug
@as_json
def open_(slug: str, as_json: bool) -> None:
    """Show a service to everybody and let those with a role open it, after it was hidden or retired."""
    _change_state(slug, ServiceState.LIVE, as_json=as_json)


@service.command(epilog=examples("tessera service hide training"))
@_slug
@as_json
def hide(slug: str, as_json: bool) -> None:
    """Have a service known to nobody for now, on pages and in answers. Roles are kept."""
    _change_state(slug, ServiceState.HIDDEN, as_json=as_json)


@service.command(epilog=examples("tessera service retire training"))
@_slug
@as_json
def retire(slug: str, as_json: bool) -> None:
    """Shut a service that is not offered any more. Roles are kept, and open nothing."""
    _change_state(slug, ServiceState.RETIRED, as_json=as_json)


@service.command(epilog=examples("tessera service change training --launch-address https://new.example.org"))
@_slug
@click.option("--name", type=NAME, help="What its tile says.")
@click.option("--sentence", type=SENTENCE, help="What people do there.")
@click.option("--launch-address", type=LAUNCH_ADDRESS, help="Where its tile leads.")
@as_json
def change(slug: str, as_json: bool, **options: str | None) -> None:
    """Change what the tile of a service says, or where it leads."""
    with policy_in_force():
        row = _asked(slug, Action.CHANGE)
        values = {name: value for name, value in options.items() if value is not None}
        before = [word for name in values for word in (f"--{name.replace('_', '-')}", str(getattr(row, name)))]
        change_service(row, values)
        answer(
            f"Changed {row.name}.",
            _members(row),
            for_program=as_json,
            undo=command_line("service", "change", slug, *before),
        )


def _asked(slug: str, action: Action) -> Service:
    """Return the service with this slug. Raises `ProblemError` if there is none, or if the policy refuses `action`."""
    row = found("service", slug, service_with_slug)
    ensure_allowed(action, directory.service(row))
    return row


def _change_state(slug: str, state: ServiceState, *, as_json: bool) -> None:
    with policy_in_force():
        row = _asked(slug, Action.CHANGE_STATE)
        before = row.state
        set_service_state(row, state)
        answer(
            f"{row.name} is {state}.",
            {"slug": slug, "state": str(state)},
            for_program=as_json,
            undo=command_line("service", _COMMANDS[before], slug),
        )


def _members(row: Service) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.name,
        "sentence": row.sentence,
        "launch_address": row.launch_address,
        "state": str(row.state),
    }


def _words(row: dict[str, Any]) -> str:
    return f"{row['slug']}  {row['name']}, {row['launch_address']}: {row['state']}"
