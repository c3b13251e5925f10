"""Organisations, as stored."""

from peewee import CharField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import OrganisationState

DEFAULT_TIME_ZONE = "Europe/London"


class Organisation(BaseModel):
    """A school or college. The centre number is five digits, kept as text."""

    public_id = CharField(max_length=40, unique=True)
    centre_number = CharField(max_length=5, unique=True)
    name = CharField(max_length=200, index=True)
    state = EnumField(OrganisationState, max_length=20, default=OrganisationState.ACTIVE)
    time_zone = CharField(max_length=60, default=DEFAULT_TIME_ZONE)
    created_at = UTCDateTimeField()

    @property
    def reference(self) -> str:
        """How events name this organisation."""
        return f"organisation:{self.public_id}"
