"""`tessera serve`: web server and mail worker, as one command."""

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from app.authz.lint.findings import PolicyRejectedError
from app.authz.lint.verify import verify_settings
from app.cli.base import examples, own_database
from app.cli.supervisor import Supervisor
from app.config import SettingError, Settings
from app.demo.leftovers import refuse_demo
from app.demo.welcome import load_cast_if_empty, sign_in_hints
from app.kernel import database
from app.kernel.errors import ProblemError
from app.kernel.files import is_left_over
from app.kernel.metrics import FOLDER as METRICS_FOLDER
from app.kernel.schema import migrate
from app.organisations.models import Organisation
from app.seeding import loader
from app.seeding.fixtures import digest as fixtures_digest

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

    Ctrl-C stops it. With DEVELOPMENT=1 an empty database gets the demo cast. A pack has a database of its own (in
    var/packs), which gets the fixtures of the pack when it is empty.
    """
    if pack is not None:
        os.environ["PACK_DIR"] = str(pack.absolute())
    with ExitStack() as kept:
        with own_database() as settings:
            address = free_address(settings.host, settings.port)
            kept.enter_context(_claim(settings.host, settings.port))
            copy = kept.enter_context(_policy_copy(settings))
            _verify(settings, copy)
            migrate()
            if not settings.development:
                refuse_demo()
            if settings.pack_dir is not None:
                _load_pack(settings.pack_dir, settings.data_dir)
            elif settings.development:
                load_cast_if_empty()
            words = _welcome(settings)
        database.release()
        parent = Supervisor(
            web=_command("web", "--address", address),
            helpers=_helpers(settings),
            place=(address, settings.port),
            # The web processes read their settings for themselves.
            environ={
                "POLICIES_DIR": str(copy.policies_dir),
                **({"PACK_DIR": str(copy.pack_dir), "PACK_DATA_DIR": str(settings.data_dir)} if copy.pack_dir else {}),
            },
        )
        sys.exit(parent.run(lambda: click.echo(words)))


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


def free_address(host: str, port: int) -> str:
    """Return `host` as the numeric address to listen at. Raises `SettingError` if nobody can listen there now."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise SettingError(f"HOST {host} is not known: give an address of this machine, such as 127.0.0.1.") from error
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(place)
        except OSError as error:
            raise SettingError(_refusal(error, host, port)) from error
    return str(place[0])


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


@contextmanager
def _policy_copy(settings: Settings) -> Iterator[Settings]:
    """Give the web server a copy of policy and pack, and return the settings that name it.

    A web server that is started again after a crash decides as before, whatever is being edited meanwhile.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="serving-", dir=settings.data_dir) as folder:
        policies = Path(folder, "policies")
        _copy_files(settings.policies_dir, policies)
        pack = settings.pack_dir and Path(folder, "pack", settings.pack_dir.name)
        if settings.pack_dir and pack:
            _copy_files(settings.pack_dir, pack)
        yield replace(settings, policies_dir=policies, pack_dir=pack)


def _copy_files(source: Path, target: Path) -> None:
    """Copy what people wrote: a link as the file that it leads to, and one that leads nowhere as it is.

    Volumes of containers consist of links, and what was checked is what has to be served.
    """
    target.mkdir(parents=True)
    for path in source.iterdir():
        if is_left_over(path):
            continue
        if path.is_dir():
            _copy_files(path, target / path.name)
        elif path.exists():
            shutil.copyfile(path, target / path.name)
        else:
            (target / path.name).symlink_to(path.readlink())


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


def _verify(settings: Settings, copy: Settings) -> None:
    try:
        verify_settings(copy)
    except PolicyRejectedError as rejected:
        for finding in rejected.findings:
            click.echo(finding.as_text(settings.policies_dir, settings.pack_dir), err=True)
        raise ProblemError("The server does not start, because its policy has the findings above.") from None


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
