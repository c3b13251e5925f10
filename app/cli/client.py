"""`tessera client`: programs that ask the decision API."""

from typing import Any

import click

from app.authz.engine.source import PolicySource
from app.authz.facts import KINDS
from app.authz.information import directory
from app.authz.polar.names import wire_name
from app.cli.base import answer, answer_list, as_json, examples, found, migrated_database
from app.cli.parameters import KIND, NAME
from app.cli.permission import ensure_allowed, policy_in_force
from app.kernel.errors import ProblemError
from app.services.lifecycle import end_client, rotate_key
from app.services.models import Client
from app.services.operations import add_client
from app.services.queries import client_with_id, clients, service_with_slug
from app.vocabulary import DIRECTORY_KINDS, Action

_NEVER_ASKED = {wire_name(kind) for kind in KINDS} - DIRECTORY_KINDS


@click.group()
def client() -> None:
    """Programs that ask on /authorize."""


@client.command(
    epilog=examples(
        "tessera client add --name 'Training web' --service training --kind service --kind role",
        "KEY=$(tessera client add --name Nightly --service training --kind service --json | jq -r .key)",
    )
)
@click.option("--name", required=True, type=NAME, help="Which program it is.")
@click.option("--service", required=True, help="The service that it asks about, by slug.")
@click.option("--kind", "kinds", required=True, multiple=True, type=KIND, help="A type of resource; may be repeated.")
@click.option("--by-address", is_flag=True, help="Searches return people's e-mail addresses, not their ids.")
@click.option(
    "--person-type", "person_types", multiple=True, type=KIND, help="What the program calls a person; may be repeated."
)
@as_json
def add(
    name: str, service: str, kinds: tuple[str, ...], by_address: bool, person_types: tuple[str, ...], as_json: bool
) -> None:
    """Add a client and print its key, once: only a hash of it is kept.

    A kind other than service and role belongs to the first service that asks about it, and to no other.
    """
    with policy_in_force() as settings:
        for kind in _NEVER_ASKED.intersection(kinds):
            raise ProblemError(f"No program asks about a {kind}: only about service, role, and what the rules declare.")
        owner = found("service", service, service_with_slug)
        ensure_allowed(Action.ADD_CLIENT, directory.PLATFORM)
        added, key = add_client(
            name, owner, list(dict.fromkeys(kinds)), by_address=by_address, person_types=person_types
        )
        declared = {wire_name(kind) for kind in PolicySource.read(*settings.policy_folders).permissions()}
        unknown = [kind for kind in added.kinds if kind not in declared]
        note = f"\nNo rule declares {', '.join(unknown)} yet, so every answer about that is a no." if unknown else ""
        answer(
            f"Added {name} ({added.public_id}). Its key, which is not shown again:\n{key}{note}",
            {"public_id": added.public_id, "service": service, "kinds": added.kinds, "undeclared": unknown, "key": key},
            for_program=as_json,
        )


@client.command(name="list", epilog=examples("tessera client list"))
@as_json
def list_(as_json: bool) -> None:
    """List every client with its id, those that have ended included."""
    with migrated_database():
        answer_list([_members(row) for row in clients()], _words, for_program=as_json)


@client.command(epilog=examples("tessera client end old-uploader"))
@click.argument("client_id", metavar="ID")
@as_json
def end(client_id: str, as_json: bool) -> None:
    """End the key of a client, at once and for good.

    What it asks from now on is answered with 401. `tessera client add` makes another one.
    """
    with policy_in_force():
        row = found("client", client_id, client_with_id)
        ensure_allowed(Action.END, directory.client(row))
        end_client(row)
        answer(
            f"{row.name} ({client_id}) has ended: its key opens nothing any more. An ended key does not come back; "
            "`tessera client add` makes another one.",
            {"public_id": client_id, "state": "ended"},
            for_program=as_json,
        )


@client.command(epilog=examples("KEY=$(tessera client rotate training-web --json | jq -r .key)"))
@click.argument("client_id", metavar="ID")
@as_json
def rotate(client_id: str, as_json: bool) -> None:
    """Replace the key of a client, at once, and print the new one, once.

    To change a key without a break, add a second client, give its key to the program, and end the first.
    """
    with policy_in_force():
        row = found("client", client_id, client_with_id)
        ensure_allowed(Action.ROTATE, directory.client(row))
        key = rotate_key(row)
        answer(
            f"{row.name} ({client_id}) has another key, which is not shown again; the old one opens nothing any more:"
            f"\n{key}",
            {"public_id": client_id, "key": key},
            for_program=as_json,
        )


def _members(row: Client) -> dict[str, Any]:
    return {
        "public_id": row.public_id,
        "name": row.name,
        "service": row.service and row.service.slug,
        "kinds": row.kinds,
        "added_at": row.created_at.isoformat(),
        "ended_at": row.ended_at and row.ended_at.isoformat(),
    }


def _words(row: dict[str, Any]) -> str:
    ended = f", ended on {row['ended_at'][:10]}" if row["ended_at"] else ""
    about = ", ".join(row["kinds"])
    since = row["added_at"][:10]
    return f"{row['public_id']}  {row['name']}: {row['service'] or 'no service'} ({about}), since {since}{ended}"
