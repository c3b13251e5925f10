"""The pictures of the README. `PICTURES=1 pytest tests/journeys/test_pictures.py` takes them anew."""

import os
from pathlib import Path

from playwright.sync_api import Page

from tests.journeys.portal import ROOT
from tests.journeys.visitor import Visitor

_LARGEST = 150 * 1024


def test_pictures_are_small_enough_for_a_readme(visitor: Visitor, page: Page, tmp_path: Path) -> None:
    folder = ROOT / "docs" / "pictures" if os.environ.get("PICTURES") == "1" else tmp_path
    page.set_viewport_size({"width": 1280, "height": 800})
    visitor.has_signed_in("olivia.marsh@example.org")
    for menu, name in (("Home", "tiles.png"), ("Users", "users.png")):
        visitor.follows(menu)
        page.screenshot(path=folder / name, animations="disabled")
        assert (folder / name).stat().st_size < _LARGEST
