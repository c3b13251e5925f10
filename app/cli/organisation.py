"""`tessera organisation`: schools and colleges."""

import click

from app.cli.base import answer, as_json, examples, migrated_database
from app.cli.parameters import CENTRE_NUMBER, ORGANISATION_NAME, PERSON_NAME, Address, TimeZone
from app.memberships.operations import set_up_organisation
from app.organisations.models import DEFAULT_TIME_ZONE


@click.group()
def organisation() -> None:
    """Schools and colleges."""


@organisation.command(
    epilog=examples(
        "tessera organisation add --name 'Hill School' --centre-number 90110 "
        "--officer-name 'Ada Hill' --officer-email ada@example.org",
    )
)
@click.option("--name", required=True, type=ORGANISATION_NAME, help="What the school calls itself.")
@click.option("--centre-number", required=True, type=CENTRE_NUMBER, help="Five digits, zeros in front included.")
@click.option("--officer-name", required=True, type=PERSON_NAME, help="Its first exams officer.")
@click.option("--officer-email", required=True, type=Address(), help="Where their invitation goes.")
@click.option(
    "--time-zone",
    default=DEFAULT_TIME_ZONE,
    show_default=True,
    type=TimeZone(),
    help="Where a role's last day ends at midnight.",
)
@as_json
def add(name: str, centre_number: str, officer_name: str, officer_email: str, time_zone: str, as_json: bool) -> None:
    """Add an organisation with its first exams officer, who gets a mail and adds everybody else."""
    with migrated_database():
        added = set_up_organisation(name, centre_number, officer_name, officer_email, time_zone=time_zone, by=None)
        answer(
            f"Added {name} ({added.public_id}). An invitation goes to {officer_email}.",
            {"public_id": added.public_id, "centre_number": centre_number, "name": name, "officer": officer_email},
            for_program=as_json,
        )
