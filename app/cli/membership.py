"""`tessera membership`: what people hold at an organisation, where no exams officer can help."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from app.accounts.activation import invite
from app.accounts.queries import person_named, primary_address
from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database, with_reason
from app.cli.permission import ensure_allowed, policy_in_force
from app.kernel.errors import ProblemError
from app.memberships.models import Grant, Membership
from app.memberships.operations import RoleGiven, change_roles, reactivate, remove_person, suspend
from app.memberships.queries import grants_of, membership_of, memberships_at
from app.organisations.queries import organisation_named
from app.services.models import Role
from app.services.queries import role_with_slug
from app.vocabulary import Action, MembershipState

_person = click.argument("person")
_organisation = click.option("--organisation", required=True, help="A centre number or a public id.")
_roles = click.argument("slugs", nargs=-1, required=True, metavar="SERVICE:ROLE...")
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def membership() -> None:
    """What people hold at an organisation, where no exams officer can help.

    PERSON is an e-mail address or a public id. `tessera person add` brings somebody to an organisation.
    """


@membership.command(name="list", epilog=examples("tessera membership list --organisation 90110"))
@_organisation
@as_json
def list_(organisation: str, as_json: bool) -> None:
    """List the people of an organisation with their roles."""
    with migrated_database():
        rows = list(memberships_at(found("organisation", organisation, organisation_named)))
        grants = grants_of(rows)
        found_rows = [_members(row) | {"roles": [one.role.slug for one in grants.get(row.id, [])]} for row in rows]
        answer_list(found_rows, _words, for_program=as_json)


@membership.command(
    epilog=examples(
        "tessera membership give tom@example.org portal:user-management --organisation 90110",
        "tessera membership give tom@example.org training:user --organisation 90110 --last-day 2027-07-31",
    )
)
@_person
@_roles
@_organisation
@click.option("--first-day", type=_DAY, help="From when on; from now on, if left out.")
@click.option("--last-day", type=_DAY, help="Until when; for good, if left out.")
@with_reason
@as_json
def give(
    person: str,
    slugs: tuple[str, ...],
    organisation: str,
    first_day: datetime | None,
    last_day: datetime | None,
    reason: str,
    as_json: bool,
) -> None:
    """Give PERSON roles, `portal:user-management` included, which mends an organisation without an exams officer."""
    days = (first_day and first_day.date(), last_day and last_day.date())
    if days[0] and days[1] and days[1] < days[0]:
        raise ProblemError("The last day is before the first.")
    with policy_in_force():
        row = _asked(person, organisation, Action.CHANGE_ROLES)
        roles, before = _givable(row, slugs), _held(row)
        change_roles(row, give=[RoleGiven(role, *days) for role in roles], take=(), reason=reason, by=None)
        _answer_roles(row, "has", roles, before, as_json=as_json)


@membership.command(epilog=examples("tessera membership take tom@example.org training:user --organisation 90110"))
@_person
@_roles
@_organisation
@with_reason
@as_json
def take(person: str, slugs: tuple[str, ...], organisation: str, reason: str, as_json: bool) -> None:
    """Take roles from PERSON."""
    with policy_in_force():
        row = _asked(person, organisation, Action.CHANGE_ROLES)
        roles, before = _givable(row, slugs), _held(row)
        for role in roles:
            if role.slug not in before:
                raise ProblemError(f"{row.person.name} does not hold {role.slug} at {row.organisation.name}.")
        change_roles(row, give=(), take=roles, reason=reason, by=None)
        _answer_roles(row, "does not have", roles, before, as_json=as_json)


@membership.command(name="suspend", epilog=examples("tessera membership suspend tom@example.org --organisation 90110"))
@_person
@_organisation
@as_json
def suspend_(person: str, organisation: str, as_json: bool) -> None:
    """Withhold all access of PERSON at one organisation for now. Their roles are kept."""
    _change_state(person, organisation, Action.SUSPEND, suspend, "reactivate", as_json=as_json)


@membership.command(
    name="reactivate", epilog=examples("tessera membership reactivate tom@example.org --organisation 90110")
)
@_person
@_organisation
@as_json
def reactivate_(person: str, organisation: str, as_json: bool) -> None:
    """End a suspension of PERSON at one organisation."""
    _change_state(person, organisation, Action.REACTIVATE, reactivate, "suspend", as_json=as_json)


@membership.command(epilog=examples("tessera membership remove tom@example.org --organisation 90110"))
@_person
@_organisation
@as_json
def remove(person: str, organisation: str, as_json: bool) -> None:
    """Remove PERSON from an organisation with all roles there. The account stays."""
    with policy_in_force():
        row = _asked(person, organisation, Action.REMOVE)
        held, where, name = _held(row), row.organisation, row.person.name
        remove_person(row, by=None)
        add = ["person", "add", "--organisation", where.centre_number, "--name", name]
        add += ["--email", primary_address(row.person)]
        answer(
            f"{name} ({row.person.public_id}) does not belong to {where.name} any more.",
            _members(row),
            for_program=as_json,
            undo=command_line(*add, *(word for slug in held for word in ("--role", slug))),
        )


@membership.command(epilog=examples("tessera membership resend tom@example.org --organisation 90110"))
@_person
@_organisation
@as_json
def resend(person: str, organisation: str, as_json: bool) -> None:
    """Mail PERSON, who has not activated their account, another invitation. Earlier links from there stop working."""
    with policy_in_force():
        row = _asked(person, organisation, Action.RESEND_INVITATION)
        invite(row.person, row.organisation, by=None)
        answer(f"Another invitation goes to {primary_address(row.person)}.", _members(row), for_program=as_json)


def _asked(person: str, organisation: str, action: Action) -> Membership:
    """Return what PERSON is at an organisation. Raises `ProblemError` if nothing, or if the policy refuses `action`."""
    who = found("person", person, person_named)
    where = found("organisation", organisation, organisation_named)
    row = membership_of(who, where)
    if row is None or row.state == MembershipState.ENDED:
        raise ProblemError(f"{who.name} does not belong to {where.name}. `tessera person add` brings them there.")
    (membership,) = directory.memberships([row])
    ensure_allowed(action, membership)
    return row


def _givable(row: Membership, slugs: tuple[str, ...]) -> list[Role]:
    """Return the roles of these slugs, once each. Raises `ProblemError` if the policy does not let them be given."""
    at = directory.organisation(row.organisation)
    roles = [found("role", slug, role_with_slug) for slug in dict.fromkeys(slugs)]
    for role in roles:
        ensure_allowed(Action.GIVE, directory.role(role, at))
    return roles


def _held(row: Membership) -> dict[str, Grant]:
    return {grant.role.slug: grant for grant in grants_of([row]).get(row.id, [])}


def _change_state(
    person: str, organisation: str, action: Action, change: Callable[..., None], undo: str, *, as_json: bool
) -> None:
    with policy_in_force():
        row = _asked(person, organisation, action)
        change(row, by=None)
        where = row.organisation
        answer(
            f"{row.person.name} ({row.person.public_id}) is {row.state} at {where.name}.",
            _members(row),
            for_program=as_json,
            undo=command_line("membership", undo, row.person.public_id, "--organisation", where.centre_number),
        )


def _answer_roles(row: Membership, has: str, roles: list[Role], before: dict[str, Grant], *, as_json: bool) -> None:
    slugs = [role.slug for role in roles]
    answer(
        f"{row.person.name} ({row.person.public_id}) {has} {', '.join(slugs)} at {row.organisation.name} now.",
        _members(row) | {"roles": list(_held(row))},
        for_program=as_json,
        undo=" && ".join(_way_back(row, slug, before.get(slug)) for slug in slugs),
    )


def _way_back(row: Membership, slug: str, before: Grant | None) -> str:
    """Return the command after which `row` holds the role as it did `before`, or not at all."""
    at = (row.person.public_id, slug, "--organisation", row.organisation.centre_number)
    if before is None:
        return command_line("membership", "take", *at)
    days = {"--first-day": before.first_day, "--last-day": before.last_day}
    return command_line(
        "membership", "give", *at, *(word for name, day in days.items() if day for word in (name, day.isoformat()))
    )


def _members(row: Membership) -> dict[str, Any]:
    return {
        "person": row.person.public_id,
        "name": row.person.name,
        "organisation": row.organisation.public_id,
        "state": str(row.state),
    }


def _words(row: dict[str, Any]) -> str:
    state = "" if row["state"] == "active" else f" ({row['state']})"
    return f"{row['person']}  {row['name']}{state}: {', '.join(row['roles']) or 'no roles'}"
