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
    """Register a record, or replace its properties. Returns the revision."""
    row = record_named(kind, public_id) or Record(kind=kind, public_id=public_id)
    row.properties = dict(properties)
    row.save()
    # The names may be as many as a client likes, and the values personal data, and events are kept for a long time.
    return record(EventName.RECORD_REGISTERED, by=by, subject=row.reference, properties=len(properties))


@change
def delete_record(kind: str, public_id: str, *, by: str) -> int:
    """Delete a record. Returns the revision. Raises `ProblemError` when it does not exist."""
    row = record_named(kind, public_id)
    if row is None:
        raise ProblemError(f"There is no {kind} {public_id}.")
    row.delete_instance()
    return record(EventName.RECORD_REMOVED, by=by, subject=row.reference)
