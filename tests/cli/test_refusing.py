"""What no command touches, and nobody is served with: the demo, and what a later release changed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.accounts.models import Person
from app.config import Settings
from app.demo import crowd
from app.factory import create_app
from app.kernel import database as kernel
from app.kernel.errors import ProblemError
from app.memberships.operations import set_up_organisation
from app.seeding.loader import load_cast
from app.services.models import Client
from tests.cli.conftest import CommandLine

OUTSIDE = {"DEVELOPMENT": "0", "PUBLIC_URL": "https://portal.example.org"}


def only_keys() -> None:
    load_cast()
    Person.delete().execute()


def only_people() -> None:
    load_cast()
    Client.delete().execute()


def only_a_crowd() -> None:
    load_cast()
    crowd.fill(4, 2, progress=lambda _done, _total: None)
    for name in ("olivia-marsh", "thomas-reed"):
        assert Person.select().where(Person.public_id == name).exists()
    Client.delete().execute()
    Person.delete().where(Person.public_id.contains("-")).execute()


@pytest.mark.one_database
@pytest.mark.parametrize("demo", [only_keys, only_people, only_a_crowd])
def test_the_demo_is_not_served_outside_development(
    tessera: CommandLine, port: int, settings: Settings, database: None, demo: Callable[[], None]
) -> None:
    demo()
    assert "people or keys of the demo" in tessera.refuses("serve", env=OUTSIDE)
    with pytest.raises(ProblemError, match="people or keys of the demo"):
        create_app(replace(settings, development=False, public_url=OUTSIDE["PUBLIC_URL"]))


@pytest.mark.one_database
def test_a_directory_of_real_people_may_be_served(settings: Settings, database: None) -> None:
    set_up_organisation("Hill School", "90110", "Ada Hill", "ada@example.org", by=None)
    create_app(replace(settings, development=False, public_url=OUTSIDE["PUBLIC_URL"]))


def test_every_command_refuses_what_it_cannot_work_with(tessera: CommandLine, port: int, database: None) -> None:
    kernel.database.execute_sql(
        "insert into schema_migration (name, applied) values ('9002_contract_less', '2030-01-01')"
    )
    for command in ("migrate", "serve", "person find reed"):
        assert "later release" in tessera.refuses(*command.split())


@pytest.mark.one_database
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "portal.example.org"])
def test_a_development_portal_is_for_this_machine_unless_it_is_said(tessera: CommandLine, host: str) -> None:
    assert "REACHABLE_DEVELOPMENT=1" in tessera.refuses("migrate", env={"HOST": host})
    assert tessera("migrate", env={"HOST": host, "REACHABLE_DEVELOPMENT": "1"}).exit_code == 0
