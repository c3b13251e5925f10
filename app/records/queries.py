"""Queries about records."""

from app.records.models import Record


def record_named(kind: str, public_id: str) -> Record | None:
    """Return one record, or None."""
    return Record.get_or_none(Record.kind == kind, Record.public_id == public_id)


def records_after(kind: str, public_id: str, most: int) -> list[Record]:
    """Return up to `most` records of a kind in the order of their ids, from after `public_id` on."""
    return list(
        Record.select().where(Record.kind == kind, Record.public_id > public_id).order_by(Record.public_id).limit(most)
    )


def count_of(kind: str) -> int:
    """Return how many records of a kind there are."""
    return int(Record.select().where(Record.kind == kind).count())
