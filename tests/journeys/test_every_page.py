"""Every page, as those see it who cannot see well, have a small screen, like the dark, or print.

A page is opened once and looked at in every way; each test then reads one of the findings.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browsing import PASSWORD
from tests.journeys.portal import Portal
from tests.journeys.visitor import Visitor

_STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_ALL: dict[str, object] = {"runOnly": {"type": "tag", "values": _STANDARDS}, "resultTypes": ["violations"]}
_COLOURS: dict[str, object] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
_WIDE, _NARROW = {"width": 1200, "height": 800}, {"width": 320, "height": 640}

_USERS = "/organisations/northfield/users"

OLIVIA, THOMAS, AMARA, HELEN, LEILA, SAM = (
    f"{name}@example.org"
    for name in ("olivia.marsh", "thomas.reed", "amara.lewis", "helen.frost", "leila.haddad", "sam.porter")
)
WIDE = "w@example.org"
"""Of somebody whose name, and whose school's, is one word as long as can be."""
ADDRESSES = {
    "": ("/sign-in", "/create-account", "/forgotten-password", "/activate/x", "/reset-password/x", "/docs", "/nowhere"),
    OLIVIA: (
        *("/", "/open/training", "/account", "/account/name", "/account/password", "/nowhere"),
        *(_USERS, f"{_USERS}?search=zz", f"{_USERS}/add", f"{_USERS}/olivia-marsh@northfield"),
        *(f"{_USERS}/owen-price@northfield", f"{_USERS}/ben-castle@northfield"),
        *(f"{_USERS}/ben-castle@northfield/{what}" for what in ("suspend", "remove", "cancel-invitation")),
        f"{_USERS}/olivia-marsh@northfield/remove",
        *(f"{_USERS}/{who}@northfield/why/training" for who in ("thomas-reed", "yusuf-demir", "olivia-marsh")),
    ),
    THOMAS: ("/", "/open/exam-entries", "/open/exam-entries/why", "/open/training/why", "/demo-service/training"),
    AMARA: ("/choose-organisation", "/account"),
    HELEN: ("/", "/open/training", "/open/training/why", "/account"),
    LEILA: ("/", "/open/submit-for-assessment"),
    SAM: (
        *("/", "/console/organisations", "/console/organisations?search=zz", "/console/organisations/add"),
        *("/console/decisions", "/console/decisions?number=abc-1"),
    ),
    WIDE: ("/", "/account", "/open/training", "/open/training/why", "/nowhere"),
}


def _sign_in_wrongly(visitor: Visitor) -> None:
    visitor.goes("/sign-in")
    visitor.presses("Sign in")


def _ask_for_a_link(visitor: Visitor) -> None:
    visitor.goes("/forgotten-password")
    visitor.page.get_by_label("E-mail address").fill(THOMAS)
    visitor.presses("Send the link")


def _read_the_outbox(visitor: Visitor) -> None:
    _ask_for_a_link(visitor)
    visitor.opens_mail(THOMAS, "Choose a new Tessera password")
    visitor.goes("/outbox")


def _read_a_mail(visitor: Visitor) -> None:
    _read_the_outbox(visitor)
    visitor.page.get_by_role("link", name="Choose a new Tessera password").first.click()


def _reset_wrongly(visitor: Visitor) -> None:
    _read_a_mail(visitor)
    visitor.page.locator("pre a").first.click()
    visitor.presses("Save password")


def _add_two_wrongly(visitor: Visitor) -> None:
    visitor.goes(f"{_USERS}/add")
    visitor.presses("Add another person")
    visitor.presses("Continue")


def _check_two(visitor: Visitor) -> None:
    visitor.goes(f"{_USERS}/add")
    visitor.presses("Add another person")
    for number, name in enumerate(("Wilhelmina Featherstonehaugh-Cholmondeley", "Jo Bird")):
        person = visitor.page.get_by_role("region", name=f"Person {number + 1}")
        person.get_by_label("Name", exact=True).fill(name)
        person.get_by_label("E-mail address").fill(f"{name.replace(' ', '.')}@a-long-name-of-a-school.example.org")
        visitor.ticks(person, [("Tessera", "User management"), ("Training", "User")])
    visitor.presses("Continue")


def _give_wrong_days(visitor: Visitor) -> None:
    visitor.goes(f"{_USERS}/owen-price@northfield")
    visitor.page.locator("[name='portal:user-management-first_day']").fill("2027-02-01")
    visitor.page.locator("[name='portal:user-management-last_day']").fill("2027-01-31")
    visitor.presses("Save changes")


def _save_nothing(visitor: Visitor) -> None:
    visitor.goes(f"{_USERS}/owen-price@northfield")
    visitor.presses("Save changes")


def _come_back_too_late(visitor: Visitor) -> None:
    visitor.goes("/account/name")
    visitor.page.get_by_label("Your name").fill("Helen Frost-Wilder")
    visitor.portal.leaves_alone_for_hours("helen-frost")
    visitor.presses("Save name")


def _sign_in_again(visitor: Visitor) -> None:
    _come_back_too_late(visitor)
    visitor.page.get_by_label("E-mail address").fill(HELEN)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.presses("Sign in")


def _set_up_wrongly(visitor: Visitor) -> None:
    visitor.goes("/console/organisations/add")
    visitor.presses("Set up organisation")


def _list_the_users(visitor: Visitor) -> None:
    visitor.goes("/")
    visitor.follows("Users")


def _view_oneself(visitor: Visitor) -> None:
    _list_the_users(visitor)
    visitor.clicks(visitor.page.get_by_role("link", name="View"))


STEPS: tuple[tuple[str, Callable[[Visitor], None]], ...] = (
    *(("", step) for step in (_sign_in_wrongly, _ask_for_a_link, _read_the_outbox, _read_a_mail, _reset_wrongly)),
    *((OLIVIA, step) for step in (_add_two_wrongly, _check_two, _give_wrong_days, _save_nothing)),
    *((HELEN, step) for step in (_sign_in_again, _come_back_too_late)),
    (SAM, _set_up_wrongly),
    *((WIDE, step) for step in (_list_the_users, _view_oneself)),
)


@dataclass(frozen=True)
class Findings:
    """What was seen on one page."""

    problems: str
    problems_in_the_dark: str
    narrow_width: int
    printed_controls: int
    complaints: list[str]


@pytest.fixture(scope="session")
def visitor_of(chromium: Browser, cast_portal: Portal) -> Iterator[Callable[[str], Visitor]]:
    """Give the person with an address, signed in, in front of a browser with scripts; nobody for an empty address."""
    names = ("--name", "W" * 200, "--officer-name", "W" * 120, "--officer-email", WIDE)
    cast_portal.tessera("organisation", "add", "--centre-number", "90199", *names)
    opened: dict[str, Visitor] = {}

    def visitor_of(address: str) -> Visitor:
        if address not in opened:
            context = chromium.new_context(base_url=cast_portal.address, reduced_motion="reduce")
            opened[address] = visitor = Visitor(cast_portal, context.new_page())
            if address == WIDE:
                visitor.activates(address, PASSWORD)
            elif address:
                visitor.has_signed_in(address)
        return opened[address]

    yield visitor_of
    for visitor in opened.values():
        visitor.page.context.close()


@pytest.fixture(
    scope="session",
    params=[
        *(
            pytest.param((who, lambda visitor, path=path: visitor.goes(path)), id=f"{who.partition('@')[0]}{path}")
            for who, paths in ADDRESSES.items()
            for path in paths
        ),
        *(pytest.param((who, step), id=f"{who.partition('@')[0]}{step.__name__}") for who, step in STEPS),
    ],
)
def findings(request: pytest.FixtureRequest, visitor_of: Callable[[str], Visitor]) -> Findings:
    """What was seen on one page after the other."""
    who, step = request.param
    visitor = visitor_of(who)
    page = visitor.page
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # That a page is a 404 is said to the console too, and is no complaint about it.
        if message.type in {"error", "warning"} and "the server responded with a status" not in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    page.set_viewport_size(_WIDE)
    page.emulate_media(media="screen", color_scheme="light")
    step(visitor)
    seen = _look(page, complaints)
    page.remove_listener("console", listen)
    return seen


def _look(page: Page, complaints: list[str]) -> Findings:
    page.evaluate(AXE_SCRIPT)
    problems = _problems(page, _ALL)
    page.emulate_media(color_scheme="dark")
    problems_in_the_dark = _problems(page, _COLOURS)
    page.set_viewport_size(_NARROW)
    narrow_width = page.evaluate("document.scrollingElement.scrollWidth")
    page.emulate_media(media="print")
    controls = page.locator(".side, button, .btn, .skip-link").filter(visible=True).count()
    return Findings(problems, problems_in_the_dark, narrow_width, controls, complaints)


def _problems(page: Page, options: dict[str, object]) -> str:
    results = AxeResults(page.evaluate("options => axe.run(options)", options))
    return str(results.generate_report()) if results.violations_count else ""


def test_page_has_nothing_that_keeps_somebody_out(findings: Findings) -> None:
    assert not findings.problems


def test_page_can_be_read_in_the_dark(findings: Findings) -> None:
    assert not findings.problems_in_the_dark


def test_page_never_scrolls_sideways_on_a_small_screen(findings: Findings) -> None:
    assert findings.narrow_width <= _NARROW["width"]


def test_page_prints_without_menu_and_buttons(findings: Findings) -> None:
    assert findings.printed_controls == 0


def test_page_keeps_its_own_security_policy(findings: Findings) -> None:
    assert findings.complaints == []
