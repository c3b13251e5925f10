"""Changes to organisations."""

from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.vocabulary import EventName


@change
def add_organisation(name: str, centre_number: str, *, time_zone: str = DEFAULT_TIME_ZONE, by: str) -> Organisation:
    """Add an organisation without people. `by` is the actor as events name them.

    Raises `ProblemError` when the centre number is taken.
    """
    if Organisation.get_or_none(Organisation.centre_number == centre_number) is not None:
        raise ProblemError(f"Centre number {centre_number} belongs to an organisation already.", field="centre_number")
    organisation = Organisation.create(
        public_id=new_public_id(),
        centre_number=centre_number,
        name=name,
        time_zone=time_zone,
        created_at=clock.now(),
    )
    record(EventName.ORGANISATION_ADDED, by=by, subject=organisation.reference, organisation=organisation.public_id)
    return organisation
