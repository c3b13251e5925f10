"""Which questions a piece of work puts to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from peewee import QueryEvent

from app.kernel.database import database


@contextmanager
def counted_queries() -> Iterator[list[QueryEvent]]:
    """Give the list of the queries that run inside the block, without those that keep the decision log meanwhile."""
    queries: list[QueryEvent] = []
    here = get_ident()

    def count(query: QueryEvent) -> None:
        if get_ident() == here:
            queries.append(query)

    database.obj.query_hooks.append(count)
    try:
        yield queries
    finally:
        database.obj.query_hooks.remove(count)
