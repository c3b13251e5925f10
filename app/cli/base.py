"""What every command shares: real errors in one sentence, the database, and answers for programs."""

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, TypeVar

import click
from peewee import PeeweeException

from app import config
from app.authz.engine.errors import PolicyError
from app.cli.parameters import REASON
from app.config import SettingError, Settings
from app.kernel import database, log
from app.kernel.errors import ProblemError
from app.kernel.schema import pending_migrations, refuse_later_schema
from app.runtime import Runtime, use
from app.seeding.fixtures import FixtureError

T = TypeVar("T")

_log = logging.getLogger(__name__)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
with_reason = click.option(
    "--reason",
    type=REASON,
    callback=lambda _context, _option, value: value or "",
    help="Why; written into the record of changes.",
)

COMMANDS = (
    "backup",
    "client",
    "decision",
    "demo",
    "mail",
    "membership",
    "migrate",
    "organisation",
    "person",
    "policy",
    "restore",
    "role",
    "serve",
    "service",
    "settings",
    "staff",
    "why",
)
_HIDDEN = ("metrics", "web")


class _Failure(click.ClickException):
    """Ends a command with one sentence, which is a line of the log where programs read that."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = code  # type: ignore[misc]  # click's own errors do it too

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to standard error."""
        if log.is_for_programs():
            log.configure()
            _log.error("%s", self.message)
        else:
            super().show(file)


class Commands(click.Group):
    """The commands of `app.cli`, which end with one sentence on stderr and exit code 1 where something goes wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click hands it in)
        """Return the names of what the help lists."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (as above)
        """Return a command from the module of its name: a server that starts does not wait for those of the others."""
        if cmd_name not in COMMANDS + _HIDDEN:
            return None
        command: click.Command = getattr(import_module(f"app.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises ClickException with the sentence."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not log.is_for_programs():
                raise
            raise _Failure(error.format_message(), error.exit_code) from error
        except (SettingError, ProblemError, PolicyError, FixtureError) as error:
            raise _Failure(str(error)) from error
        except PeeweeException as error:
            raise _Failure(
                f"The database cannot be used: {_first_line(error)}. DATABASE_URL says where it is."
            ) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise _Failure(f"{where}{error.strerror or error}.") from error


@contextmanager
def own_database() -> Iterator[Settings]:
    """Read the settings and hold a connection to the database, migrated or not, for the block."""
    settings = config.read_settings()
    use(Runtime(settings=settings, database=database.open_database(settings.database_url)))
    with database.connected():
        yield settings


@contextmanager
def migrated_database() -> Iterator[Settings]:
    """Like `own_database`, for commands that need its tables. Raises `ProblemError` when these are not up to date."""
    with own_database() as settings:
        refuse_later_schema()
        if pending_migrations():
            raise ProblemError("The database is not up to date. Run `tessera migrate` first.")
        yield settings


def answer(sentence: str, facts: dict[str, Any], *, for_program: bool, undo: str = "") -> None:
    """Print what was done: `sentence` for a human, with the command that undoes it; `facts` as JSON for a program."""
    if undo:
        sentence, facts = f"{sentence}\nTo take this back: {undo}", facts | {"undo": undo}
    click.echo(json.dumps(facts) if for_program else sentence)


def answer_list(rows: Sequence[dict[str, Any]], words: Callable[[dict[str, Any]], str], *, for_program: bool) -> None:
    """Print what was found: `words` of each row on a line for a human, a JSON object with all `rows` for a program."""
    if for_program:
        click.echo(json.dumps({"found": rows}))
    else:
        click.echo("\n".join(words(row) for row in rows) or "There is none.")


def command_line(*words: str) -> str:
    """Return a command of Tessera as it can be pasted into a shell."""
    return shlex.join(("tessera", *words))


def found(kind: str, name: str, find: Callable[[str], T | None]) -> T:
    """Return what `find` finds under `name`. Raises `ProblemError` when there is none."""
    named = find(name)
    if named is None:
        raise ProblemError(f"There is no {kind} {name}.")
    return named


def examples(*commands: str) -> str:
    """Return the end of a help text that shows how a command is used."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".") or type(error).__name__
