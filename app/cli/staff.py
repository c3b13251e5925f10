"""`tessera staff`: those who work for the operator."""

from typing import Any

import click

from app.accounts.queries import person_named, primary_address
from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database
from app.cli.parameters import PERSON_NAME, Address
from app.cli.permission import ensure_allowed, policy_in_force
from app.staff.operations import add_staff, remove_staff
from app.staff.queries import staff_grants
from app.vocabulary import Action, StaffRole

_ROLE = click.Choice([str(role) for role in StaffRole])


@click.group()
def staff() -> None:
    """Those who work for the operator."""


@staff.command(epilog=examples("tessera staff add --name 'Sue Park' --email sue@example.org --role support"))
@click.option("--email", required=True, type=Address(), help="Who it is.")
@click.option("--name", type=PERSON_NAME, help="Needed for somebody new, who then gets a mail.")
@click.option("--role", required=True, type=_ROLE, help="What they do.")
@as_json
def add(email: str, name: str | None, role: str, as_json: bool) -> None:
    """Give somebody a staff role. It opens no service and no organisation's people."""
    with policy_in_force():
        ensure_allowed(Action.ADD_STAFF, directory.PLATFORM)
        person = add_staff(name or "", email, StaffRole(role), by=None)
        answer(
            f"{person.name} ({person.public_id}) is now staff: {role}.",
            {"public_id": person.public_id, "role": role, "state": str(person.state)},
            for_program=as_json,
            undo=command_line("staff", "remove", person.public_id, "--role", role),
        )


@staff.command(name="list", epilog=examples("tessera staff list"))
@as_json
def list_(as_json: bool) -> None:
    """List who holds which staff role."""
    with migrated_database():
        rows = [
            {
                "public_id": grant.person.public_id,
                "name": grant.person.name,
                "role": str(grant.role),
                "state": str(grant.person.state),
            }
            for grant in staff_grants()
        ]
        answer_list(rows, _words, for_program=as_json)


@staff.command(epilog=examples("tessera staff remove sue@example.org --role support"))
@click.argument("person")
@click.option("--role", required=True, type=_ROLE, help="What they do no longer.")
@as_json
def remove(person: str, role: str, as_json: bool) -> None:
    """Take a staff role from PERSON (an e-mail address or a public id). The account stays."""
    with policy_in_force():
        row = found("person", person, person_named)
        ensure_allowed(Action.CHANGE_STAFF_ROLES, directory.person(row.id))
        remove_staff(row, StaffRole(role), by=None)
        answer(
            f"{row.name} ({row.public_id}) is no longer staff: {role}.",
            {"public_id": row.public_id, "role": role},
            for_program=as_json,
            undo=command_line("staff", "add", "--email", primary_address(row), "--role", role),
        )


def _words(row: dict[str, Any]) -> str:
    return f"{row['public_id']}  {row['name']}: {row['role']}" + (
        "" if row["state"] == "active" else f" ({row['state']})"
    )
