"""`tessera staff`: those who work for the operator."""

import click

from app.cli.base import answer, as_json, examples, migrated_database
from app.cli.parameters import PERSON_NAME, Address
from app.staff.operations import add_staff
from app.vocabulary import StaffRole


@click.group()
def staff() -> None:
    """Those who work for the operator."""


@staff.command(epilog=examples("tessera staff add --name 'Sue Park' --email sue@example.org --role support"))
@click.option("--email", required=True, type=Address(), help="Who it is.")
@click.option("--name", type=PERSON_NAME, help="Needed for somebody new, who then gets a mail.")
@click.option("--role", required=True, type=click.Choice([str(role) for role in StaffRole]), help="What they do.")
@as_json
def add(email: str, name: str | None, role: str, as_json: bool) -> None:
    """Give somebody a staff role. It opens no service and no organisation's people."""
    with migrated_database():
        person = add_staff(name or "", email, StaffRole(role), by=None)
        answer(
            f"{person.name} ({person.public_id}) is now staff: {role}.",
            {"public_id": person.public_id, "role": role, "state": str(person.state)},
            for_program=as_json,
        )
