"""`tessera demo`: load the cast, and add a crowd."""

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.base import examples, own_database
from app.demo import crowd
from app.demo.welcome import load_cast_if_empty, sign_in_hints
from app.kernel.errors import ProblemError
from app.kernel.schema import migrate


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
        migrate()
        click.echo("Loaded the cast." if load_cast_if_empty() else "The database is not empty, so the cast stays out.")
        if people:
            _fill(people, organisations)
        click.echo(sign_in_hints(settings), nl=False)


def _fill(people: int, organisations: int) -> None:
    columns = (TextColumn("Adding people"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("people", total=people)
        crowd.fill(
            people, organisations, progress=lambda done, total: progress.update(bar, completed=done, total=total)
        )
    click.echo(f"Added {people} people at {organisations} organisations.")
