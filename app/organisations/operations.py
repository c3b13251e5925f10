"""Changes to organisations."""

from typing import Any

from app.audit.operations import record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.vocabulary import EventName, OrganisationState

_EVENTS = {
    OrganisationState.ACTIVE: EventName.ORGANISATION_REOPENED,
    OrganisationState.SUSPENDED: EventName.ORGANISATION_SUSPENDED,
    OrganisationState.CLOSED: EventName.ORGANISATION_CLOSED,
}


@change
def add_organisation(name: str, centre_number: str, *, time_zone: str = DEFAULT_TIME_ZONE, by: str) -> Organisation:
    """Add an organisation without people. `by` is the actor as events name them.

    Raises `ProblemError` when the centre number is taken.
    """
    _ensure_free(centre_number)
    organisation = Organisation.create(
        public_id=new_public_id(),
        centre_number=centre_number,
        name=name,
        time_zone=time_zone,
        created_at=clock.now(),
    )
    record(EventName.ORGANISATION_ADDED, by=by, subject=organisation.reference, organisation=organisation.public_id)
    return organisation


@change
def set_organisation_state(organisation: Organisation, state: OrganisationState, *, reason: str = "", by: str) -> None:
    """Suspend, close or reopen an organisation. Its people keep their places and roles, which count while it is active.

    Raises `ProblemError` when it is in this state already.
    """
    changed = (
        Organisation.update(state=state)
        .where(Organisation.id == organisation.id, Organisation.state != state)
        .execute()
    )
    if not changed:
        raise ProblemError(f"{organisation.name} is {state} already.")
    organisation.state = state
    _record(_EVENTS[state], organisation, by, reason=reason)


@change
def rename_organisation(organisation: Organisation, name: str, *, by: str) -> None:
    """Give an organisation another name."""
    before, organisation.name = organisation.name, name
    organisation.save(only=[Organisation.name])
    _record(EventName.ORGANISATION_CHANGED, organisation, by, changed={"name": [before, name]})


@change
def renumber_organisation(organisation: Organisation, centre_number: str, *, by: str) -> None:
    """Give an organisation another centre number. Raises `ProblemError` when the number is taken."""
    _ensure_free(centre_number)
    before, organisation.centre_number = organisation.centre_number, centre_number
    organisation.save(only=[Organisation.centre_number])
    _record(EventName.ORGANISATION_CHANGED, organisation, by, changed={"centre_number": [before, centre_number]})


def _ensure_free(centre_number: str) -> None:
    if Organisation.get_or_none(Organisation.centre_number == centre_number) is not None:
        raise ProblemError(f"Centre number {centre_number} belongs to an organisation already.", field="centre_number")


def _record(event: EventName, organisation: Organisation, by: str, **details: Any) -> None:
    record(event, by=by, subject=organisation.reference, organisation=organisation.public_id, **details)
