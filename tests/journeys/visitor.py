"""What people do at a portal, in their words."""

import re
import time
from collections.abc import Iterable

from playwright.sync_api import Locator, Page

from tests.browsing import PASSWORD
from tests.journeys.portal import Portal

_DEADLINE_SECONDS = 30
_MOST_TABS = 150
_FOCUS_SHOWS = """element => [element, element.closest('.tile')].some(one => {
  const style = one && getComputedStyle(one)
  return style && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
})"""


class Visitor:
    """Somebody with a browser of their own. `page` is what they see."""

    def __init__(self, portal: Portal, page: Page) -> None:
        self.portal = portal
        self.page = page

    @property
    def heading(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").inner_text()

    @property
    def text(self) -> str:
        """Everything that the main part of the page says."""
        return self.page.locator("main").inner_text()

    @property
    def tiles(self) -> list[str]:
        """The names on the tiles."""
        return self.page.locator(".tile a").all_inner_texts()

    @property
    def path(self) -> str:
        """The address of the page, without the portal's."""
        return self.page.url.removeprefix(self.portal.address)

    def goes(self, path: str) -> int:
        """Go to an address and return the status of the answer."""
        response = self.page.goto(path)
        assert response is not None
        return response.status

    def follows(self, words: str) -> None:
        """Click the one link with these words."""
        self.clicks(self.page.get_by_role("link", name=words, exact=True))

    def presses(self, words: str) -> None:
        """Press the one button with these words."""
        # For the Enter key some forms begin with a button that nobody sees.
        self.clicks(self.page.locator("button:not([aria-hidden])").get_by_text(words, exact=True))

    def clicks(self, target: Locator) -> None:
        """Click what leads to a page, and wait for that: the one before may look much the same."""
        with self.page.expect_navigation():
            target.click()

    def signs_in(self, address: str, password: str = PASSWORD) -> None:
        """Sign in, from wherever that starts."""
        if "/sign-in" not in self.page.url:
            self.goes("/sign-in")
        self.page.get_by_label("E-mail address").fill(address)
        self.page.get_by_label("Password").fill(password)
        self.presses("Sign in")

    def has_signed_in(self, address: str) -> None:
        """Be signed in and at home, without the time that it takes to fill in the form."""
        form = self.page.request.get("/sign-in").text()
        [token] = set(re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', form))
        self.page.request.post("/sign-in", form={"csrf_token": token, "address": address, "password": PASSWORD})
        self.goes("/")

    def opens_mail(self, address: str, subject: str) -> None:
        """Open the newest mail to `address` with `subject`, which may still be on its way, and its first link."""
        letter = self.page.get_by_role("row").filter(has_text=address).get_by_role("link", name=subject)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        self.goes("/outbox")
        while not letter.count():
            assert time.monotonic() < deadline, f"no mail {subject!r} came to {address}"
            self.goes("/outbox")
        self.clicks(letter.first)
        self.clicks(self.page.locator("pre a").first)

    def activates(self, address: str, password: str) -> None:
        """Follow the invitation in the mail to `address`, and choose a password."""
        self.opens_mail(address, "Activate your Tessera account")
        self.page.get_by_label("Password").fill(password)
        self.presses("Activate account")

    def ticks(self, where: Locator, roles: Iterable[tuple[str, str]]) -> None:
        """Tick roles, each given with the service that it belongs to."""
        for service, role in roles:
            self.box(where, service, role).check()

    def box(self, where: Locator, service: str, role: str) -> Locator:
        """Return the tick box of a role."""
        return where.get_by_role("group", name=service, exact=True).get_by_label(role, exact=True)

    def posts(self, path: str, **form: str) -> tuple[int, str]:
        """Send a hand-made form with a good token, and return the status and text of the answer."""
        token = self.page.locator("input[name=csrf_token]").first.get_attribute("value") or ""
        answer = self.page.request.post(path, form={"csrf_token": token, **form}, max_redirects=0)
        return answer.status, answer.text()

    def tabs_to(self, target: Locator) -> None:
        """Press the Tab key until `target` has the focus, and see that it shows."""
        for _press in range(_MOST_TABS):
            self.page.keyboard.press("Tab")
            if self.has_focus(target):
                # The page may still wait for its style. `wait_for_function` looks only once where scripts are off.
                self.page.wait_for_load_state()
                assert target.evaluate(_FOCUS_SHOWS), f"nobody sees that {target} has the focus"
                return
        raise AssertionError(f"{target} cannot be reached with the Tab key")

    def has_focus(self, target: Locator) -> bool:
        """Return whether `target` has the focus."""
        return bool(target.evaluate("element => element === document.activeElement"))
