"""E-mail addresses: one way to write each."""

import pytest

from app.accounts.addresses import normal_address
from app.kernel.errors import ProblemError


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("olivia@example.org", "olivia@example.org"),
        ("  Olivia.MARSH@Example.ORG\t", "olivia.marsh@example.org"),
        ("o+exams@example.org", "o+exams@example.org"),
        ("o'reilly@example.org", "o'reilly@example.org"),
        ("müller@example.org", "müller@example.org"),
        ("mu\u0308ller@example.org", "müller@example.org"),
        ("a" * 242 + "@example.org", "a" * 242 + "@example.org"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert normal_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "olivia",
        "olivia@",
        "@example.org",
        "a b@example.org",
        "a@example",
        "a@b@example.org",
        "a@example.org\n,b@c.de",
        "a@example.org, b@example.org",
        "Olivia <olivia@example.org>",
        "a" * 243 + "@example.org",
        "a@ex\0ample.org",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(ProblemError, match="Enter an e-mail address in the right form") as caught:
        normal_address(typed)
    assert caught.value.field == "address"
