"""Pages of a list: the rows of one page, and its position in the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import ModelSelect

PAGE_SIZE = 25


@dataclass(frozen=True)
class Page:
    """One page of rows. `number` counts from 1; an empty list has one empty page."""

    rows: Sequence[Any]
    number: int
    pages: int
    total: int


def page_of(query: "ModelSelect[Any]", number: int, *, size: int = PAGE_SIZE) -> Page:
    """Return page `number` of `query` with `size` rows a page; a number out of range gives the first page."""
    total = query.count()
    pages = max(1, -(-total // size))
    number = number if 1 <= number <= pages else 1
    return Page(list(query.paginate(number, size)), number, pages, total)
