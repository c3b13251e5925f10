"""`tessera service`: what the tiles open."""

import click

from app.cli.base import answer, as_json, examples, migrated_database
from app.cli.parameters import LAUNCH_ADDRESS, NAME, SENTENCE, SLUG, RoleOfService
from app.services.operations import NewRole, add_service


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
    with migrated_database():
        added = add_service(slug, name, sentence, launch_address, roles)
        slugs = [f"{added.slug}:{role.slug}" for role in roles]
        answer(
            f"Added {name}. Its roles: {', '.join(slugs) or 'none'}.",
            {"slug": slug, "name": name, "roles": slugs},
            for_program=as_json,
        )
