"""`tessera migrate`: the tables of the database."""

import click

from app.cli.base import examples, own_database
from app.kernel import database


@click.command(epilog=examples("tessera migrate", "DATABASE_URL=postgresql://tessera@db/tessera tessera migrate"))
def migrate() -> None:
    """Bring the database up to date. Safe to run by several at once; `tessera serve` does it too."""
    with own_database():
        applied = database.migrate()
    for name in applied:
        click.echo(f"Applied {name}.")
    if not applied:
        click.echo("The database is up to date.")
