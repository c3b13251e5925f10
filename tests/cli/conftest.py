"""The command line as somebody types it, on the test's own database and without a process of its own."""

import json
import signal
import socket
from dataclasses import fields
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.config import Settings
from app.kernel import database as kernel
from tests.running import restored


class CommandLine:
    """Runs `tessera`, and puts back what a command changes about the process that it believes to be its own."""

    def __call__(self, *words: str, env: dict[str, str] | None = None) -> Result:
        """Run a command and return what it said and how it ended."""
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with restored():
                done = CliRunner().invoke(main, words, env=env, prog_name="tessera")
                kernel.release()
            return done
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def does(self, *words: str) -> str:
        """Run a command that works and return what it said."""
        done = self(*words)
        assert (done.exit_code, done.stderr) == (0, ""), done.output
        return done.stdout

    def tells(self, *words: str) -> Any:
        """Run a command that works and return what it tells programs."""
        return json.loads(self.does(*words, "--json"))

    def refuses(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Run a command that does not work and return the one sentence that it says."""
        done = self(*words, env=env)
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
        assert done.stderr.endswith(".\n")
        return done.stderr.removeprefix("Error: ").strip()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port that is free, where commands listen if they do."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        number: int = trial.getsockname()[1]
    monkeypatch.setenv("PORT", str(number))
    return number


@pytest.fixture
def tessera(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line of a development portal."""
    for field in fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    monkeypatch.setenv("DEVELOPMENT", "1")
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    return CommandLine()
