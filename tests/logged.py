"""What stands in the decision log."""

import json
import zlib

from app.audit import decision_log
from app.audit.decision_codec import DecisionRecord
from app.audit.models import DecisionBatch
from app.audit.queries import find


def logged() -> list[DecisionRecord]:
    """Return every decision that this process has given and every other that is kept, in their order."""
    decision_log.current().flush()
    ids = []
    for batch in DecisionBatch.select().order_by(DecisionBatch.id):
        for number, *_request, items in json.loads(zlib.decompress(bytes(batch.payload)))["entries"]:
            places = [f".{place}" for place in range(1, len(items) + 1)] if len(items) > 1 else [""]
            ids += [f"{batch.writer}-{number}{place}" for place in places]
    return [record for record in map(find, ids) if record is not None]
