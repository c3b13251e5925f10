"""`tessera migrate`: the tables of the database."""

import click

from app.cli.base import examples, own_database
from app.kernel import schema


@click.command(epilog=examples("tessera migrate", "DATABASE_URL=postgresql://tessera@db/tessera tessera migrate"))
def migrate() -> None:
    """Bring the database up to date. Safe to run by several at once; `tessera serve` does it too."""
    with own_database():
        applied, later = schema.migrate(), schema.later_migrations()
    for name in applied:
        click.echo(f"Applied {name}.")
    if later:
        click.echo(
            f"A later release has brought the database further: {', '.join(later)}. This one works with it, too."
        )
    elif not applied:
        click.echo("The database is up to date.")
