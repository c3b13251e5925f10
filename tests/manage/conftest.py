"""Who manages users in these tests."""

import pytest

from tests.browsing import Browser


@pytest.fixture
def olivia(browser: Browser) -> Browser:
    """The browser of an exams officer of Northfield Academy."""
    return browser.signed_in_as("olivia-marsh")
