"""Changes to records."""

from collections.abc import Mapping
from typing import Any

from app.audit.operations import record
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.records.models import Record
from app.records.queries import record_named
from app.vocabulary import EventName


@change
def put_record(kind: str, public_id: str, properties: Mapping[str, Any], *, by: str) -> int:
    """Register a thing, or give it other properties; what it had before is gone. Returns the revision."""
    row = record_named(kind, public_id) or Record(kind=kind, public_id=public_id)
    row.properties = dict(properties)
    row.save()
    # The values themselves may be about somebody, and events are kept for long.
    return record(EventName.RECORD_REGISTERED, by=by, subject=row.reference, properties=sorted(properties))


@change
def delete_record(kind: str, public_id: str, *, by: str) -> int:
    """Forget a thing. Returns the revision. Raises `ProblemError` when it is not there."""
    row = record_named(kind, public_id)
    if row is None:
        raise ProblemError(f"There is no {kind} {public_id}.")
    row.delete_instance()
    return record(EventName.RECORD_REMOVED, by=by, subject=row.reference)
