"""Journeys: a real portal in processes of its own, and a real Chromium in front of it.

Scripts are off in every browser but the ones that axe looks through: the portal has to work without.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.conftest import ON_POSTGRESQL
from tests.journeys.portal import Portal
from tests.journeys.visitor import Visitor

if TYPE_CHECKING:
    from tests.postgresql import Server

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SHELL = "chromium-headless-shell"
_PATIENCE_MS = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as a journey."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("journey")


def _command(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as playwright:
        yield playwright


def _launched(playwright: Playwright, command: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=command,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        # People's browsers keep pages for the back button, so this one must not be kept from it.
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def whole_chromium(playwright: Playwright) -> Iterator[Browser]:
    """The browser as people have it, or a skip that says how to get it."""
    found = os.environ.get("CHROMIUM") or _command(*_CHROMIUM_NAMES)
    if found is None:
        pytest.skip(
            "NO JOURNEY WAS MADE: there is no Chromium. `apt-get install chromium`, or set CHROMIUM=/path/to/it."
        )
    yield from _launched(playwright, found)


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Browser]:
    """The browser without windows, which takes half of the time; the whole one if that is missing or one is chosen."""
    found = None if os.environ.get("CHROMIUM") else _command(_SHELL)
    if found is None:
        yield request.getfixturevalue("whole_chromium")
    else:
        yield from _launched(playwright, found)


@pytest.fixture(scope="session")
def new_database_url(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Make an empty database and return its address; None for one in the portal's folder."""
    if not ON_POSTGRESQL:
        return lambda: None
    server: Server = request.getfixturevalue("postgresql")
    return lambda: server.url(server.create())


@pytest.fixture(scope="session")
def cast_portal(
    chromium: Browser,
    policy_marker: Path,
    new_database_url: Callable[[], str | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Portal]:
    """A portal with the cast, shared by the journeys."""
    folder = tmp_path_factory.mktemp("cast")
    shutil.copy(policy_marker, folder)
    portal = Portal(folder, new_database_url())
    portal.start()
    yield portal
    portal.stop()


@pytest.fixture
def empty_portal(chromium: Browser, new_database_url: Callable[[], str | None], tmp_path: Path) -> Iterator[Portal]:
    """A portal that nobody has set up or started."""
    portal = Portal(tmp_path, new_database_url())
    yield portal
    portal.stop()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser of one's own in front of a portal; no two share a cookie."""
    contexts: list[BrowserContext] = []

    def open_browser(portal: Portal, browser: Browser = chromium) -> Visitor:
        contexts.append(browser.new_context(base_url=portal.address, java_script_enabled=False, locale="en-GB"))
        contexts[-1].set_default_timeout(_PATIENCE_MS)
        return Visitor(portal, contexts[-1].new_page())

    yield open_browser
    for context in contexts:
        context.close()


@pytest.fixture
def visitor(visit: Callable[..., Visitor], cast_portal: Portal) -> Visitor:
    """Somebody in front of the portal with the cast."""
    return visit(cast_portal)


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """What the visitor sees."""
    return visitor.page
