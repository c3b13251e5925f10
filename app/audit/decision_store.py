"""Where decisions are kept: the table `decision_batch`, of PostgreSQL or of an SQLite database of its own.

In an SQLite database one lock is for all writers. So that officers and the decision log never wait for each other, the
decisions are in `decisions/decisions.db` in DATA_DIR; those that an earlier release has stored stay where they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from peewee import EXCLUDED, Database, Expression, SchemaManager, fn

from app.audit import journal
from app.audit.decision_codec import PathReference, Steps, pack, without
from app.audit.journal import Frame
from app.audit.models import DecisionBatch, DecisionPath
from app.kernel.database import BaseModel, database, open_sqlite, sqlite_file

_BATCH_LIMIT = 5000
"""Decisions of a row, unless they were written together; to look one up, its whole row is read."""
_DAY = timedelta(days=1)
_LOOKED_AT = 8
"""Rows that may hold a number: those of one process overlap a little."""


def keep(writer: str, frames: Sequence[Frame]) -> None:
    """Keep the decisions in the frames of one file of the journal: all of them or none.

    To do it again, because it is not known whether it was done, changes nothing: the same frames make the same rows.
    """
    withdrawn = {number for frame in frames for number in frame.withdrawn}
    references = {(policy, leaf): digest for frame in frames for policy, leaf, digest in frame.references}
    listed = [(policy, leaf, digest) for (policy, leaf), digest in references.items()]
    rows = [_row(writer, group, withdrawn, listed) for group in _groups(frames)]
    ended_at = max((row["ended_at"] for row in rows), default=None)
    paths = {digest: (policy, steps) for frame in frames for digest, policy, steps in frame.paths}
    with _open(_current()) as store, store.atomic():
        if paths:
            named = [
                {"digest": digest, "policy": policy, "steps": steps, "used_at": ended_at}
                # In one order, so that two processes do not wait for each other.
                for digest, (policy, steps) in sorted(paths.items())
            ]
            used = DecisionPath.insert_many(named).on_conflict(
                conflict_target=[DecisionPath.digest], preserve=[DecisionPath.used_at]
            )
            used.execute(store)
        for row in rows:
            # A backup may have the same file when it was shorter.
            DecisionBatch.insert(row).on_conflict(
                conflict_target=[DecisionBatch.writer, DecisionBatch.first],
                preserve=[DecisionBatch.last, DecisionBatch.ended_at, DecisionBatch.payload],
                where=(EXCLUDED.last > DecisionBatch.last),
            ).execute(store)


def find_rows(writer: str, number: int) -> Iterator[bytes]:
    """Yield the payloads that may hold the request with this number of a writer."""
    for one in _all():
        with _open(one) as store:
            query = DecisionBatch.select(DecisionBatch.last, DecisionBatch.payload).where(
                DecisionBatch.writer == writer, DecisionBatch.first <= number
            )
            # The index leads to the newest of these at once, however many there are.
            rows = list(query.order_by(DecisionBatch.first.desc()).limit(_LOOKED_AT).tuples().execute(store))
        for last, payload in rows:
            if last >= number:
                yield bytes(payload)


def find_steps(digest: str) -> Steps | None:
    """Return the steps of the path with this digest, or None."""
    for one in _all():
        with _open(one) as store:
            found = list(DecisionPath.select(DecisionPath.steps).where(DecisionPath.digest == digest).execute(store))
        if found:
            return [(question, answer) for question, answer in found[0].steps]
    return None


def ends() -> tuple[datetime, datetime] | None:
    """Return when the oldest and the newest decision were answered, to within a row; None if there are none."""
    bounds = [_ends(one) for one in _all()]
    oldest, newest = ([bound[place] for bound in bounds if bound is not None] for place in (0, 1))
    return (min(oldest), max(newest)) if oldest else None


def delete_before(moment: datetime, *, limit: int) -> int:
    """Delete at most `limit` rows of decisions from before `moment` in each place; return how many were deleted.

    Paths that no decision leads along any more are deleted too.
    """
    deleted = 0
    for one in _all():
        with _open(one) as store:
            rows, paths = DecisionBatch.ended_at < moment, DecisionPath.used_at < moment - timedelta(days=1)
            if _has(store, DecisionBatch, rows) or _has(store, DecisionPath, paths):
                with store.atomic():
                    deleted += _delete_some(store, DecisionBatch, rows, limit)
                    _delete_some(store, DecisionPath, paths, limit)
    return deleted


def delete_oldest(size: int, *, limit: int) -> int:
    """Delete the oldest rows until `size` bytes or `limit` rows are deleted; return how many bytes were."""
    with _open(_current()) as store, store.atomic():
        length = fn.length(DecisionBatch.payload)
        oldest = DecisionBatch.select(DecisionBatch.id, length).order_by(DecisionBatch.ended_at, DecisionBatch.id)
        ids, deleted = [], 0
        for id_, one in oldest.limit(limit).tuples().execute(store):
            if deleted >= size:
                break
            ids.append(id_)
            deleted += one
        DecisionBatch.delete().where(DecisionBatch.id.in_(ids)).execute(store)
    return deleted


def sizes(known: Mapping[datetime, int]) -> dict[datetime, int]:
    """Return how many bytes the decisions of each day (by its beginning) take, packed and without indexes.

    Those of a day that is `known` are not looked at again, but for the first and the last, where rows go and come.
    """
    found: dict[datetime, int] = {}
    with _open(_current()) as store:
        while True:
            after = DecisionBatch.ended_at >= max(found) + _DAY if found else None
            query = DecisionBatch.select(DecisionBatch.ended_at).order_by(DecisionBatch.ended_at).limit(1)
            first = query.where(after).scalar(store) if found else query.scalar(store)
            if first is None:
                break
            day = first.replace(hour=0, minute=0, second=0, microsecond=0)
            found[day] = known[day] if found and day in known else _size(store, day)
        if len(found) > 1:
            found[max(found)] = _size(store, max(found))
    return found


def all_rows() -> list[DecisionBatch]:
    """Return every row, oldest first: for checks of small logs."""
    found: list[DecisionBatch] = []
    for one in _all():
        with _open(one) as store:
            found += DecisionBatch.select().order_by(DecisionBatch.id).execute(store)
    return found


def _row(writer: str, frames: Sequence[Frame], withdrawn: set[int], references: list[PathReference]) -> dict[str, Any]:
    texts = [_answered(frame, withdrawn) for frame in frames]
    return {
        "writer": writer,
        "first": min(frame.first for frame in frames),
        "last": max(frame.last for frame in frames),
        "started_at": datetime.fromtimestamp(min(frame.started_at for frame in frames), UTC),
        "ended_at": datetime.fromtimestamp(max(frame.ended_at for frame in frames), UTC),
        "payload": pack(filter(None, texts), references),
    }


def _answered(frame: Frame, withdrawn: set[int]) -> bytes:
    if any(frame.first <= number <= frame.last for number in withdrawn):
        return without(frame.entries, withdrawn)
    return frame.entries


def _groups(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    group: list[Frame] = []
    held = 0
    for frame in frames:
        if not frame.size:
            continue
        if group and held + frame.size > _BATCH_LIMIT:
            yield group
            group, held = [], 0
        group.append(frame)
        held += frame.size
    if group:
        yield group


def _size(store: Database, day: datetime) -> int:
    query = DecisionBatch.select(fn.sum(fn.length(DecisionBatch.payload)))
    return int(query.where(DecisionBatch.ended_at >= day, DecisionBatch.ended_at < day + _DAY).scalar(store) or 0)


def _has(store: Database, model: type[BaseModel], condition: Expression) -> bool:
    return bool(list(model.select(model.id).where(condition).limit(1).execute(store)))


def _ends(one: Database) -> tuple[datetime, datetime] | None:
    with _open(one) as store:
        found = [
            list(DecisionBatch.select(DecisionBatch.ended_at).order_by(order).limit(1).tuples().execute(store))
            for order in (DecisionBatch.ended_at.asc(), DecisionBatch.ended_at.desc())
        ]
    return (found[0][0][0], found[1][0][0]) if all(found) else None


def _delete_some(store: Database, model: type[BaseModel], condition: Expression, limit: int) -> int:
    some = model.select(model.id).where(condition).order_by(model.id).limit(limit)
    return int(model.delete().where(model.id.in_(some)).execute(store))


def _current() -> Database:
    """Return the database in which decisions are kept from now on."""
    own: Database = database.obj
    return own if sqlite_file() is None else _sqlite(journal.folder() / "decisions.db")


def _all() -> list[Database]:
    """Return every database in which decisions may be."""
    return list(dict.fromkeys([_current(), database.obj]))


@lru_cache(maxsize=16)
def _sqlite(path: Path) -> Database:
    store = open_sqlite(str(path))
    with store.connection_context():
        for model in (DecisionBatch, DecisionPath):
            SchemaManager(model, store).create_all(safe=True)
    return store


@contextmanager
def _open(store: Database) -> Iterator[Database]:
    """Hold a connection of this thread for the block, unless one is open already."""
    opened = store.connect(reuse_if_open=True)
    try:
        yield store
    finally:
        if opened:
            store.close()
