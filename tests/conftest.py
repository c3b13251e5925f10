"""Fixtures that every test may use: a database of either kind, the cast in it, and the portal in front of it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import passwords
from app.authz.engine.engine import Engine
from app.authz.lint.verify import MARKER, verify_settings
from app.config import Settings
from app.factory import build_runtime, create_app
from app.kernel import clock
from app.kernel import database as kernel
from app.kernel.schema import migrate
from app.runtime import EXTENSION, Runtime, current, is_in_use
from app.seeding.loader import is_empty, load_cast
from tests.browsing import Browser
from tests.machine import Machine, below
from tests.running import change, portals, restored, run_on

if TYPE_CHECKING:
    from tests.postgresql import Server

ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run on PostgreSQL only what may differ there: the rest was tried on SQLite and is the same."""
    if ON_POSTGRESQL:
        sorted_out: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            fixtures = getattr(item, "fixturenames", ())
            meets_database = "database_url" in fixtures or "new_database_url" in fixtures
            sorted_out[meets_database and item.get_closest_marker("one_database") is None].append(item)
        config.hook.pytest_deselected(items=sorted_out[False])
        items[:] = sorted_out[True]


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> None:
    passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator["Server"]:
    """The PostgreSQL server, started for this run."""
    from tests.postgresql import running_server

    with running_server() as server:
        yield server


@contextmanager
def _connected(url: str) -> Iterator[None]:
    """Hold a connection to the database at `url`, on which this process runs."""
    kernel.bind(url)
    bound = current()
    with kernel.connected():
        if not ON_POSTGRESQL:
            # Nobody pulls the plug on a test, and to wait for the disk takes long.
            kernel.database.execute_sql("pragma synchronous = off")
        yield
    with restored():
        run_on(bound)
        kernel.release()


def _template(request: pytest.FixtureRequest, folders: pytest.TempPathFactory, fill: Callable[[], None]) -> str:
    """Make a database to be copied, and return the path of its file, or its name at the server."""
    if ON_POSTGRESQL:
        server: Server = request.getfixturevalue("postgresql")
        name = server.create()
        url = server.url(name)
    else:
        name = str(folders.mktemp("template") / "tessera.db")
        url = f"sqlite:///{name}"
    with _connected(url):
        migrate()
        fill()
        if not ON_POSTGRESQL:
            kernel.database.execute_sql("pragma wal_checkpoint(truncate)")
    return name


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that holds nothing but what the migrations put there, to be copied."""
    return _template(request, tmp_path_factory, lambda: None)


@pytest.fixture(scope="session")
def furnished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[date], str]:
    """A database with the cast, to be copied; one for each day, because roles of the cast start and end around it."""
    return cache(lambda _day: _template(request, tmp_path_factory, load_cast))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of its own: SQLite, or PostgreSQL with TEST_DATABASE=postgresql.

    Nothing is in it, or what the test asks for: a copy is quicker than making the tables and writing everybody down
    again.
    """
    template = None
    if "cast" in request.fixturenames:
        template = request.getfixturevalue("furnished")(clock.today("Europe/London"))
    elif "database" in request.fixturenames:
        template = request.getfixturevalue("migrated")
    if not ON_POSTGRESQL:
        path = tmp_path / "tessera.db"
        if template:
            shutil.copyfile(template, path)
        yield f"sqlite:///{path}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.create(template or "template0")
    yield server.url(name)
    server.drop(name)


def _development(folder: Path, url: str) -> Settings:
    return Settings(development=True, data_dir=folder, database_url=url, secret_key="s" * 32)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a development portal on the test's own database, which this process and the portal run on."""
    chosen = _development(tmp_path, database_url)
    run_on(build_runtime(chosen, current().engine if is_in_use() else None))  # type: ignore[arg-type]
    return chosen


@pytest.fixture
def database(settings: Settings) -> Iterator[None]:
    """The migrated and connected database."""
    before = current()
    with _connected(settings.database_url):
        run_on(replace(current(), settings=settings))
        yield
        # Of the test, and of a portal which the test made.
        for runtime in (before, current()):
            runtime.view.close()
            runtime.decision_log.close()


@pytest.fixture
def cast(database: None) -> None:
    """The cast of `fixtures/`, in the database."""
    if is_empty():
        load_cast()


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The portal, made once: to read the policy and every template anew takes longer than most tests do."""
    folder = tmp_path_factory.mktemp("portal")
    settings = _development(folder, f"sqlite:///{folder}/none.db")
    made = create_app(settings, Engine.load(*settings.policy_folders))
    portals.append(made)
    return made


@pytest.fixture(scope="session")
def policy_marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a data folder holds once the shipped policy was checked, so that not every server under test checks it."""
    folder = tmp_path_factory.mktemp("checked")
    verify_settings(Settings(data_dir=folder))
    return folder / MARKER


@pytest.fixture(scope="session")
def shipped_policy(portal: Flask) -> Engine:
    """The policy that the portal was made with."""
    runtime: Runtime = portal.extensions[EXTENSION]
    return runtime.engine


@pytest.fixture
def app(portal: Flask, shipped_policy: Engine, cast: None) -> Flask:
    """The portal with the cast; errors reach the test."""
    # Whatever an earlier test decided by or switched off.
    change(engine=shipped_policy)
    portal.config.update(TESTING=True, WTF_CSRF_ENABLED=True)
    return portal


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without scripts, which is also without cookies at first."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


@pytest.fixture
def new_browser(app: Flask) -> Callable[[], Browser]:
    """A way to have more than one browser."""
    return lambda: Browser(app.test_client())


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """A browser that sends forms as they stand on the page and finds fault with every page that is not a good one."""
    return new_browser()


@pytest.fixture
def machine(database_url: str, tmp_path: Path, policy_marker: Path) -> Iterator[Machine]:
    """A machine on which nothing is left behind, and whose policy was checked before."""
    shutil.copy(policy_marker, tmp_path)
    machine = Machine(tmp_path, database_url)
    yield machine
    for process in machine.started:
        for pid in {process.pid, *below(process.pid)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
