"""What stands in the decision log."""

import json
import zlib
from collections.abc import Iterator

from app.audit import decision_log, decision_store, journal
from app.audit.decision_codec import DecisionRecord
from app.audit.queries import find


def logged() -> list[DecisionRecord]:
    """Return every decision that this process has given and every other that is kept, in their order."""
    decision_log.current().flush()
    ids = []
    for writer, number, items in _requests():
        places = [f".{place}" for place in range(1, len(items) + 1)] if len(items) > 1 else [""]
        ids += [f"{writer}-{number}{place}" for place in places]
    return [record for record in map(find, ids) if record is not None]


def _requests() -> Iterator[tuple[str, int, list[object]]]:
    for row in decision_store.all_rows():
        for number, *_request, items in json.loads(zlib.decompress(bytes(row.payload)))["entries"]:
            yield row.writer, number, items
    for path in journal.segments():
        for frame in journal.frames(path):
            for number, *_request, items in json.loads(b"[%b]" % frame.entries):
                yield journal.writer_of(path), number, items
