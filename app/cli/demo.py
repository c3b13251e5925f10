"""`tessera demo`: the cast, and a crowd around it."""

import json

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.accounts.models import Person
from app.cli.base import examples, own_database
from app.config import Settings
from app.demo import crowd
from app.kernel import database
from app.kernel.errors import ProblemError
from app.seeding import loader

_SHOWN = {
    "olivia-marsh": "an exams officer: nearly every tile, and the people of her school",
    "thomas-reed": "a teacher, with a few tiles",
    "amara-lewis": "somebody at two schools",
    "helen-frost": "somebody without a school",
    "sam-porter": "support staff of the operator",
}
_ASKED = ("thomas-reed", "submit-for-assessment")
"""Of whom, and about which service, the example asks; the service has a client of the same name."""


@click.command(
    epilog=examples("DEVELOPMENT=1 tessera demo", "DEVELOPMENT=1 tessera demo --people 200000 --organisations 10000")
)
@click.option("--people", type=click.IntRange(0, 5_000_000), default=0, help="How many more people to add.")
@click.option(
    "--organisations", type=click.IntRange(0, 100_000), default=0, help="How many more organisations; 20 people each."
)
def demo(people: int, organisations: int) -> None:
    """Fill a development database: with the cast if it is empty, and with a large, plausible crowd if asked to."""
    if people and not organisations:
        organisations = max(2, people // 20)
    with own_database() as settings:
        if not settings.development:
            raise ProblemError("Everybody knows the cast's password, so it comes in with DEVELOPMENT=1 only.")
        database.migrate()
        click.echo("Loaded the cast." if move_in() else "The database is not empty, so the cast stays out.")
        if people:
            _fill(people, organisations)
        click.echo(sign_ins(settings), nl=False)


@database.change
def move_in() -> bool:
    """Load the cast into the connected database if nobody is there; return whether it was. Several may try at once."""
    if not loader.is_empty():
        return False
    loader.load_cast()
    return True


def sign_ins(settings: Settings) -> str:
    """Return whom one can sign in as and a question to ask, if the cast is in the connected database, or nothing."""
    if not Person.select().where(Person.public_id == _ASKED[0]).exists():
        return ""
    described = loader.read_cast()
    addresses = {entry["id"]: entry["email"] for entry in described["person"]}
    keys = {entry["id"]: entry["key"] for entry in described["client"]}
    lines = (f"  {addresses[name]:<28} {shows}" for name, shows in _SHOWN.items())
    return "\n".join(
        (
            f"\nSign in with the password `{described['password']}` as",
            *lines,
            "\nAsk, as a service would:",
            f"  {_question(settings, keys[_ASKED[1]])}\n",
        )
    )


def _question(settings: Settings, key: str) -> str:
    person, service = _ASKED
    body = {
        "subject": {"type": "person", "id": person},
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": service},
    }
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return f"curl {settings.public_url}/authorize {headers} -d '{json.dumps(body)}'"


def _fill(people: int, organisations: int) -> None:
    columns = (TextColumn("Adding people"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("people", total=people)
        crowd.fill(
            people, organisations, progress=lambda done, total: progress.update(bar, completed=done, total=total)
        )
    click.echo(f"Added {people} people at {organisations} organisations.")
