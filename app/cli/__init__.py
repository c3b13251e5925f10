"""The command line of the operator: `tessera`. The module of a command has its name, and is read when it is run."""

import os
from pathlib import Path

import click

from app.cli.base import Commands, examples
from app.kernel import log


@click.group(
    cls=Commands,
    epilog=examples(
        "tessera migrate",
        "tessera organisation add --name 'Hill School' --centre-number 90110 "
        "--officer-name 'Ada Hill' --officer-email ada@example.org",
        "tessera why ada@example.org launch service:training",
    ),
)
@click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with more rules (policies/*.polar) and what they are about (fixtures/*.toml), for any command.",
)
def main(pack: Path | None) -> None:
    """Run and look after Tessera: one sign-in, a page of tiles, and the policy that decides.

    Settings are environment variables (PUBLIC_URL, DATABASE_URL, DATA_DIR, SMTP_URL and others): docs/settings.md
    describes them, and `tessera settings` prints them. DEVELOPMENT=1 allows http.
    """
    log.configure()
    # What is made in DATA_DIR is for nobody else to read.
    os.umask(0o077)
    if pack is not None:
        os.environ["PACK_DIR"] = str(pack.absolute())
