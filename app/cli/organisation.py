"""`tessera organisation`: schools and colleges."""

from typing import Any

import click

from app.audit.operations import OPERATOR
from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database, with_reason
from app.cli.parameters import CENTRE_NUMBER, ORGANISATION_NAME, PERSON_NAME, Address, TimeZone
from app.cli.permission import ensure_allowed, policy_in_force
from app.memberships.merging import merge_organisations
from app.memberships.operations import set_up_organisation
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.organisations.operations import rename_organisation, renumber_organisation, set_organisation_state
from app.organisations.queries import organisation_named, organisations_list
from app.vocabulary import Action, OrganisationState

_MOST_FOUND = 50
_COMMANDS = {
    OrganisationState.ACTIVE: "reopen",
    OrganisationState.SUSPENDED: "suspend",
    OrganisationState.CLOSED: "close",
}
"""Which command leads to each state."""

_organisation = click.argument("organisation")


@click.group()
def organisation() -> None:
    """Schools and colleges.

    ORGANISATION is a centre number or a public id.
    """


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
    with policy_in_force():
        ensure_allowed(Action.ADD_ORGANISATION, directory.PLATFORM)
        added = set_up_organisation(name, centre_number, officer_name, officer_email, time_zone=time_zone, by=None)
        answer(
            f"Added {name} ({added.public_id}). An invitation goes to {officer_email}.",
            {"public_id": added.public_id, "centre_number": centre_number, "name": name, "officer": officer_email},
            for_program=as_json,
            undo=command_line("organisation", "close", centre_number),
        )


@organisation.command(epilog=examples("tessera organisation find hill", "tessera organisation find 901 --json"))
@click.argument("words", nargs=-1, required=True)
@as_json
def find(words: tuple[str, ...], as_json: bool) -> None:
    """Find organisations whose name has each of WORDS, or whose centre number begins with it: 50 at most."""
    with migrated_database():
        rows = [_members(row) for row in organisations_list(" ".join(words)).limit(_MOST_FOUND)]
        answer_list(rows, _words, for_program=as_json)


@organisation.command(epilog=examples("tessera organisation suspend 90110 --reason 'Inspection.'"))
@_organisation
@with_reason
@as_json
def suspend(organisation: str, reason: str, as_json: bool) -> None:
    """Withhold all access at an organisation for now. Its people and their roles are kept."""
    _change_state(organisation, OrganisationState.SUSPENDED, reason, as_json=as_json)


@organisation.command(epilog=examples("tessera organisation close 90110"))
@_organisation
@with_reason
@as_json
def close(organisation: str, reason: str, as_json: bool) -> None:
    """Close an organisation that does not teach any more. Its people and their roles are kept, and open nothing."""
    _change_state(organisation, OrganisationState.CLOSED, reason, as_json=as_json)


@organisation.command(epilog=examples("tessera organisation reopen 90110"))
@_organisation
@with_reason
@as_json
def reopen(organisation: str, reason: str, as_json: bool) -> None:
    """Open an organisation again that was suspended or closed, with the people and roles that it had."""
    _change_state(organisation, OrganisationState.ACTIVE, reason, as_json=as_json)


@organisation.command(epilog=examples("tessera organisation rename 90110 'Hill Academy'"))
@_organisation
@click.argument("name", type=ORGANISATION_NAME)
@as_json
def rename(organisation: str, name: str, as_json: bool) -> None:
    """Give an organisation another name."""
    with policy_in_force():
        row = _asked(organisation, Action.CHANGE)
        before = row.name
        rename_organisation(row, name, by=OPERATOR)
        answer(
            f"{before} ({row.public_id}) is now called {name}.",
            {"public_id": row.public_id, "name": name},
            for_program=as_json,
            undo=command_line("organisation", "rename", row.public_id, before),
        )


@organisation.command(epilog=examples("tessera organisation renumber 90110 90210"))
@_organisation
@click.argument("centre_number", type=CENTRE_NUMBER)
@as_json
def renumber(organisation: str, centre_number: str, as_json: bool) -> None:
    """Give an organisation another centre number. Programs that know it by its public id notice nothing."""
    with policy_in_force():
        row = _asked(organisation, Action.CHANGE)
        before = row.centre_number
        renumber_organisation(row, centre_number, by=OPERATOR)
        answer(
            f"{row.name} ({row.public_id}) has the centre number {centre_number} now.",
            {"public_id": row.public_id, "centre_number": centre_number},
            for_program=as_json,
            undo=command_line("organisation", "renumber", row.public_id, before),
        )


@organisation.command(epilog=examples("tessera organisation merge 90110 90101"))
@_organisation
@click.argument("target")
@click.option("--yes", is_flag=True, help="Do not ask whether this is meant.")
@as_json
def merge(organisation: str, target: str, yes: bool, as_json: bool) -> None:
    """Move the people of ORGANISATION, with their roles, to TARGET, and close it. This cannot be taken back."""
    with policy_in_force():
        source, into = _asked(organisation, Action.MERGE), _asked(target, Action.MERGE)
        if not yes:
            click.confirm(
                f"Everybody at {source.name} moves to {into.name}, and {source.name} closes. "
                "This cannot be taken back. Go on?",
                abort=True,
                err=True,
            )
        people = merge_organisations(source, into, by=None)
        answer(
            f"{people} {'person' if people == 1 else 'people'} of {source.name} moved to {into.name}, "
            f"and {source.name} is closed.",
            {"public_id": source.public_id, "into": into.public_id, "people": people},
            for_program=as_json,
        )


def _asked(name: str, action: Action) -> Organisation:
    """Return the organisation of this name. Raises `ProblemError` if there is none, or the policy refuses `action`."""
    row = found("organisation", name, organisation_named)
    ensure_allowed(action, directory.organisation(row))
    return row


def _change_state(name: str, state: OrganisationState, reason: str, *, as_json: bool) -> None:
    with policy_in_force():
        row = _asked(name, Action.CHANGE_STATE)
        before = row.state
        set_organisation_state(row, state, reason=reason, by=OPERATOR)
        answer(
            f"{row.name} ({row.public_id}) is {state}.",
            {"public_id": row.public_id, "state": str(state)},
            for_program=as_json,
            undo=command_line("organisation", _COMMANDS[before], row.centre_number),
        )


def _members(row: Organisation) -> dict[str, Any]:
    return {
        "public_id": row.public_id,
        "centre_number": row.centre_number,
        "name": row.name,
        "state": str(row.state),
        "time_zone": row.time_zone,
    }


def _words(row: dict[str, Any]) -> str:
    return f"{row['centre_number']}  {row['name']} ({row['public_id']}): {row['state']}"
