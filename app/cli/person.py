"""`tessera person`: people and their accounts."""

from collections.abc import Callable
from typing import Any

import click

from app.accounts.lifecycle import close_person, reactivate_person, sign_out, suspend_person
from app.accounts.models import Person
from app.accounts.operations import change_name
from app.accounts.queries import addresses_of, people_matching, person_named
from app.authz.information import directory
from app.cli.base import answer, answer_list, as_json, command_line, examples, found, migrated_database, with_reason
from app.cli.parameters import PERSON_NAME, Address
from app.cli.permission import ensure_allowed, policy_in_force
from app.memberships.operations import NewPerson, add_people
from app.memberships.queries import grants_of, memberships_of
from app.organisations.queries import organisation_named
from app.services.queries import role_with_slug
from app.vocabulary import Action, PersonState

_MOST_FOUND = 50

_person = click.argument("person")


@click.group()
def person() -> None:
    """People and their accounts.

    PERSON is an e-mail address or a public id.
    """


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
    with policy_in_force():
        where = found("organisation", organisation, organisation_named)
        at = directory.organisation(where)
        roles = [found("role", slug, role_with_slug) for slug in dict.fromkeys(slugs)]
        ensure_allowed(Action.ADD_PERSON, at)
        for role in roles:
            ensure_allowed(Action.GIVE, directory.role(role, at))
        (membership,) = add_people(where, [NewPerson(name, email, roles)], by=None)
        added = membership.person
        answer(
            f"Added {added.name} ({added.public_id}) to {where.name}. A mail goes to {email}.",
            {
                "public_id": added.public_id,
                "membership": membership.public_id,
                "organisation": where.public_id,
                "roles": [role.slug for role in roles],
            },
            for_program=as_json,
            undo=command_line("membership", "remove", added.public_id, "--organisation", where.centre_number),
        )


@person.command(epilog=examples("tessera person find reed", "tessera person find thomas.reed@example.org --json"))
@click.argument("words", nargs=-1, required=True)
@as_json
def find(words: tuple[str, ...], as_json: bool) -> None:
    """Find people whose name, address or id has each of WORDS, and show what they hold: 50 at most."""
    with migrated_database():
        rows = [_members(row) for row in people_matching(" ".join(words), _MOST_FOUND)]
        answer_list(rows, _words, for_program=as_json)


@person.command(epilog=examples("tessera person suspend tom@example.org --reason 'Laptop stolen.'"))
@_person
@with_reason
@as_json
def suspend(person: str, reason: str, as_json: bool) -> None:
    """Shut an account for now: its holder is signed out, and every answer about them is a no.

    Their roles are kept.
    """
    _change_state(person, suspend_person, reason, "is suspended and signed out", as_json=as_json)


@person.command(epilog=examples("tessera person reactivate tom@example.org"))
@_person
@with_reason
@as_json
def reactivate(person: str, reason: str, as_json: bool) -> None:
    """Bring an account back that was suspended or closed, with its password and roles."""
    _change_state(person, reactivate_person, reason, "has their account back", as_json=as_json)


@person.command(epilog=examples("tessera person close tom@example.org --reason 'Left the profession.'"))
@_person
@with_reason
@as_json
def close(person: str, reason: str, as_json: bool) -> None:
    """Close an account that is not needed any more: like suspended, and links that were mailed stop working."""
    _change_state(person, close_person, reason, "has no account any more", as_json=as_json)


@person.command(name="sign-out", epilog=examples("tessera person sign-out tom@example.org"))
@_person
@as_json
def sign_out_(person: str, as_json: bool) -> None:
    """End every session of PERSON, and the links for a new password that were mailed. They can sign in again."""
    with policy_in_force():
        row = _asked(person, Action.SIGN_OUT)
        sessions = sign_out(row, by=None)
        answer(
            f"{row.name} ({row.public_id}) is signed out: {sessions} {'session' if sessions == 1 else 'sessions'}.",
            {"public_id": row.public_id, "sessions": sessions},
            for_program=as_json,
        )


@person.command(epilog=examples("tessera person rename tom@example.org 'Tom Vale-Reed'"))
@_person
@click.argument("name", type=PERSON_NAME)
@as_json
def rename(person: str, name: str, as_json: bool) -> None:
    """Give PERSON another name, on every page and in every mail from now on."""
    with policy_in_force():
        row = _asked(person, Action.CHANGE_DETAILS)
        before = row.name
        change_name(row, name, by=None)
        answer(
            f"{before} ({row.public_id}) is now called {name}.",
            {"public_id": row.public_id, "name": name},
            for_program=as_json,
            undo=command_line("person", "rename", row.public_id, before),
        )


def _asked(name: str, action: Action) -> Person:
    """Return the person of this name. Raises `ProblemError` if there is none, or if the policy refuses `action`."""
    row = found("person", name, person_named)
    ensure_allowed(action, directory.person(row.id))
    return row


def _change_state(name: str, change: Callable[..., None], reason: str, done: str, *, as_json: bool) -> None:
    with policy_in_force():
        row = _asked(name, Action.CHANGE_STATE)
        before = row.state
        change(row, reason=reason, by=None)
        answer(
            f"{row.name} ({row.public_id}) {done}.",
            {"public_id": row.public_id, "state": str(row.state)},
            for_program=as_json,
            undo=_way_back(row, before),
        )


def _way_back(row: Person, before: PersonState) -> str:
    """Return the commands that take an account back to the state `before`."""
    if before == PersonState.CLOSED:
        return command_line("person", "close", row.public_id)
    commands = [] if row.state == PersonState.ACTIVE else ["reactivate"]
    commands += ["suspend"] if before == PersonState.SUSPENDED else []
    return " && ".join(command_line("person", command, row.public_id) for command in commands)


def _members(row: Person) -> dict[str, Any]:
    memberships = memberships_of(row)
    grants = grants_of(memberships)
    return {
        "public_id": row.public_id,
        "name": row.name,
        "state": str(row.state),
        "addresses": [address.address for address in addresses_of(row)],
        "last_sign_in_at": row.last_sign_in_at and row.last_sign_in_at.isoformat(),
        "memberships": [
            {
                "organisation": membership.organisation.public_id,
                "centre_number": membership.organisation.centre_number,
                "name": membership.organisation.name,
                "state": str(membership.state),
                "roles": [grant.role.slug for grant in grants.get(membership.id, [])],
            }
            for membership in memberships
        ],
    }


def _words(row: dict[str, Any]) -> str:
    lines = [f"{row['public_id']}  {row['name']}, {', '.join(row['addresses'])}: {row['state']}"]
    lines += [
        f"    {place['centre_number']} {place['name']}"
        + ("" if place["state"] == "active" else f" ({place['state']})")
        + f": {', '.join(place['roles']) or 'no roles'}"
        for place in row["memberships"]
    ]
    return "\n".join(lines)
