"""`tessera serve`: web server and mail worker, as one command."""

import errno
import logging
import os
import shutil
import socket
import sys
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path

import click

from app.backup.operations import refuse_damaged, settle
from app.cli.base import examples, own_database
from app.cli.policy_copy import PolicyCopy, remove_left_over_copies
from app.cli.web import verified
from app.config import SettingError, Settings
from app.demo.leftovers import refuse_demo
from app.demo.welcome import load_cast_if_empty, sign_in_hints
from app.kernel import database, log
from app.kernel.errors import ProblemError
from app.kernel.metrics import FOLDER as METRICS_FOLDER
from app.kernel.schema import migrate
from app.organisations.models import Organisation
from app.seeding import loader
from app.seeding.fixtures import digest as fixtures_digest
from app.server.listeners import open_listeners
from app.server.release import Release
from app.server.supervisor import Supervisor

_log = logging.getLogger(__name__)

_LOADED = "fixtures-loaded"
"""The file in the data of a pack that says which fixtures it was filled from."""


@click.command(
    epilog=examples(
        "DEVELOPMENT=1 tessera serve",
        "PUBLIC_URL=https://portal.example.org DATABASE_URL=postgresql://tessera@db/tessera tessera serve",
        "DEVELOPMENT=1 tessera serve --pack packs/mark-schemes",
    )
)
@click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with more rules (policies/*.polar) and what they are about (fixtures/*.toml).",
)
def serve(pack: Path | None) -> None:
    """Start the portal: checks policy and settings, brings the database up to date, serves pages and sends mail.

    Ctrl-C stops it; a HUP brings in a policy or a release that has changed, without a pause. With DEVELOPMENT=1 an
    empty database gets the demo cast. A pack has a database of its own (in var/packs), which gets the fixtures of the
    pack when it is empty.
    """
    if pack is not None:
        os.environ["PACK_DIR"] = str(pack.absolute())
    with ExitStack() as kept:
        with own_database() as settings:
            listeners = _listeners(settings)
            for listener in listeners:
                kept.enter_context(listener)
            kept.enter_context(_claim(settings.host, settings.port))
            remove_left_over_copies(settings.data_dir)
            with closing(PolicyCopy(settings)) as copy:
                verified(copy.settings, settings.policies_dir, settings.pack_dir)
            refuse_damaged()
            migrate()
            if not settings.development:
                refuse_demo()
            if settings.pack_dir is not None:
                _load_pack(settings.pack_dir, settings.data_dir)
            elif settings.development:
                load_cast_if_empty()
            words = _welcome(settings)
        database.release()
        supervisor = Supervisor(
            listeners,
            _helpers(settings),
            load=lambda: _release(settings),
            reload=lambda: _release(settings, "--migrate"),
        )
        code = supervisor.run(lambda: _announce(words))
        settle()
        sys.exit(code)


def _announce(words: str) -> None:
    if log.is_for_programs():
        # Containers mix the outputs, and whoever reads them expects lines of the log alone.
        _log.info("%s", words.partition("\n")[0])
    else:
        click.echo(words)


def _helpers(settings: Settings) -> dict[str, list[str]]:
    """Return the commands that run beside the web server, and have them all count into one folder if that is wanted."""
    helpers = {"mail worker": _command("mail")}
    if settings.metrics_port:
        folder = settings.data_dir / f"metrics-{settings.port}"
        # What an earlier portal counted: counters begin at 0 when one starts, and Prometheus knows that.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ[METRICS_FOLDER] = str(folder)
        helpers["metrics server"] = _command("metrics")
    return helpers


def _release(settings: Settings, *options: str) -> Release:
    """Start to load the portal as it is now, with a copy of its policy as it is now."""
    copy = PolicyCopy(settings)
    sources = ["--policies", str(settings.policies_dir)]
    if settings.pack_dir is not None:
        sources += ["--pack", str(settings.pack_dir)]
    return Release(_command("web", *sources, *options), copy.environ, on_close=copy.close)


def _listeners(settings: Settings) -> list[socket.socket]:
    """Return a socket for each web process. Raises `SettingError` if nobody can listen there now."""
    try:
        return open_listeners(settings.host, settings.port, settings.workers)
    except socket.gaierror as error:
        raise SettingError(
            f"HOST {settings.host} is not known: give an address of this machine, such as 127.0.0.1."
        ) from error
    except OSError as error:
        raise SettingError(_refusal(error, settings.host, settings.port)) from error


def _claim(host: str, port: int) -> AbstractContextManager[object]:
    """Keep other portals off `port` for as long as this process lives. Raises `SettingError` if one has it already.

    The web processes share the port among them, so the system would let those of a second portal share it too.
    """
    if sys.platform != "linux":
        return nullcontext()
    claim = socket.socket(socket.AF_UNIX)
    try:
        # A name in no folder: it is gone with the process, however that ends.
        claim.bind(f"\0tessera {port}")
    except OSError as error:
        raise SettingError(_refusal(error, host, port)) from error
    return claim


def _refusal(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            return f"Port {port} is in use: stop the other program or choose another port with PORT={other}."
        case errno.EACCES:
            return f"Port {port} is for the administrator only: choose one above 1023, such as PORT=8000."
        case errno.EADDRNOTAVAIL:
            return f"HOST {host} is not an address of this machine: 127.0.0.1 always is."
        case _:
            return f"HOST {host} and PORT {port} cannot be used: {error.strerror}."


@database.change
def _load_pack(pack: Path, data_dir: Path) -> None:
    """Load the fixtures of a pack into an empty database. Raises `ProblemError` if others are in it."""
    note = data_dir / _LOADED
    digest = fixtures_digest(pack / "fixtures")
    if loader.is_empty():
        loader.load_pack(pack / "fixtures")
        note.write_text(digest)
    elif note.is_file() and note.read_text() != digest:
        raise ProblemError(
            f"The fixtures of the pack have changed since they were loaded. Delete {data_dir} to load them anew, with"
            " which all that was registered there is lost, or change them back."
        )


def _welcome(settings: Settings) -> str:
    words = f"{settings.portal_name} is at {settings.public_url}"
    if settings.pack_dir is not None:
        words += f" with the pack {settings.pack_dir.name}; its data is in {settings.data_dir}"
    if settings.development:
        words += f"\nIts mail is at {settings.public_url}/outbox" if not settings.smtp_url else ""
        words += f"\n{sign_in_hints(settings)}"
    elif not Organisation.select().exists():
        words += "\nIt is empty. `tessera organisation add --help` says how to begin."
    return f"{words}\nCtrl-C stops it."


def _command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "app.cli", *words]
