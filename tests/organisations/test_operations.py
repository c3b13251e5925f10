"""Changes to organisations."""

import pytest

from app.audit.operations import OPERATOR
from app.kernel.errors import ProblemError
from app.organisations.models import DEFAULT_TIME_ZONE, Organisation
from app.organisations.operations import add_organisation
from app.vocabulary import EventName, OrganisationState
from tests.events import newest_event


def test_an_organisation_is_added_without_people_and_recorded(database: None) -> None:
    added = Organisation.get_by_id(add_organisation("Hill School", "90110", by=OPERATOR).id)
    assert (added.name, added.centre_number, added.time_zone) == ("Hill School", "90110", DEFAULT_TIME_ZONE)
    assert added.state == OrganisationState.ACTIVE
    assert newest_event() == (EventName.ORGANISATION_ADDED, OPERATOR, added.reference, added.public_id)


def test_a_centre_number_belongs_to_one_organisation(database: None) -> None:
    add_organisation("Hill School", "90110", by=OPERATOR)
    with pytest.raises(ProblemError) as caught:
        add_organisation("Hill College", "90110", by=OPERATOR)
    assert caught.value.field == "centre_number"
    assert Organisation.select().count() == 1
