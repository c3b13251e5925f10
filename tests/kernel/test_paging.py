from datetime import UTC, datetime

import pytest

from app.accounts.models import Attempts
from app.kernel.database import changing
from app.kernel.paging import page_of


@pytest.fixture
def seven(database: None) -> None:
    with changing():
        for number in range(7):
            Attempts.create(key_hash=str(number), since=datetime.now(UTC))


@pytest.mark.parametrize(
    ("number", "shown", "rows"),
    [(1, 1, "012"), (3, 3, "6"), (4, 1, "012"), (0, 1, "012"), (-1, 1, "012")],
)
def test_a_page_out_of_range_is_the_first(seven: None, number: int, shown: int, rows: str) -> None:
    page = page_of(Attempts.select().order_by(Attempts.key_hash), number, size=3)
    assert (page.number, page.pages, page.total) == (shown, 3, 7)
    assert "".join(row.key_hash for row in page.rows) == rows


def test_an_empty_list_has_one_empty_page(database: None) -> None:
    page = page_of(Attempts.select(), 1)
    assert (list(page.rows), page.number, page.pages, page.total) == ([], 1, 1, 0)
