"""The command line of the operator: `tessera`, one module a noun."""

import click

from app.cli.client import client
from app.cli.demo import demo
from app.cli.mail import mail
from app.cli.migrate import migrate
from app.cli.organisation import organisation
from app.cli.person import person
from app.cli.policy import policy
from app.cli.running import Commands, examples
from app.cli.serve import serve
from app.cli.service import service
from app.cli.staff import staff
from app.cli.web import web
from app.cli.why import why


@click.group(
    cls=Commands,
    epilog=examples(
        "tessera migrate",
        "tessera organisation add --name 'Hill School' --centre-number 90110 "
        "--officer-name 'Ada Hill' --officer-email ada@example.org",
        "tessera why ada@example.org launch service:training",
    ),
)
def main() -> None:
    """Run and look after Tessera: one sign-in, a page of tiles, and the policy that decides.

    Settings are read from the environment (PUBLIC_URL, DATABASE_URL, DATA_DIR, SMTP_URL and others, described in
    app/config.py); DEVELOPMENT=1 allows a portal without https on this machine alone.
    """


for command in (client, demo, mail, migrate, organisation, person, policy, serve, service, staff, web, why):
    main.add_command(command)
