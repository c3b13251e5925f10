"""`tessera client`: programs that ask the decision API."""

import click

from app.authz.engine.source import PolicySource
from app.authz.facts import KINDS
from app.authz.polar.names import wire_name
from app.cli.base import answer, as_json, examples, found, migrated_database
from app.cli.parameters import KIND, NAME
from app.kernel.errors import ProblemError
from app.services.operations import add_client
from app.services.queries import service_with_slug
from app.vocabulary import DIRECTORY_KINDS

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
    with migrated_database() as settings:
        for kind in _NEVER_ASKED.intersection(kinds):
            raise ProblemError(f"No program asks about a {kind}: only about service, role, and what the rules declare.")
        owner = found("service", service, service_with_slug)
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
