"""`tessera person`: people of an organisation."""

import click

from app.cli.base import answer, as_json, examples, found, migrated_database
from app.cli.parameters import PERSON_NAME, Address
from app.memberships.operations import NewPerson, add_people
from app.organisations.queries import organisation_named
from app.services.queries import role_with_slug


@click.group()
def person() -> None:
    """People of an organisation."""


@person.command(
    epilog=examples(
        "tessera person add --organisation 90110 --name 'Tom Vale' --email tom@example.org --role training:user",
        "tessera person add --organisation 90110 --name 'Eve Lane' --email eve@example.org "
        "--role portal:user-management",
    )
)
@click.option("--organisation", required=True, help="A centre number or a public id.")
@click.option("--name", required=True, type=PERSON_NAME, help="Used if the address is new.")
@click.option("--email", required=True, type=Address(), help="Where the mail goes.")
@click.option("--role", "slugs", multiple=True, metavar="SERVICE:ROLE", help="A role to give; may be repeated.")
@as_json
def add(organisation: str, name: str, email: str, slugs: tuple[str, ...], as_json: bool) -> None:
    """Add somebody to an organisation with their roles, and mail them."""
    with migrated_database():
        where = found("organisation", organisation, organisation_named)
        roles = [found("role", slug, role_with_slug) for slug in dict.fromkeys(slugs)]
        (membership,) = add_people(where, [NewPerson(name, email, roles)], by=None)
        answer(
            f"Added {membership.person.name} ({membership.person.public_id}) to {where.name}. A mail goes to {email}.",
            {
                "public_id": membership.person.public_id,
                "membership": membership.public_id,
                "organisation": where.public_id,
                "roles": [role.slug for role in roles],
            },
            for_program=as_json,
        )
