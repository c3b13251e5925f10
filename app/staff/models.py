"""Staff roles, as stored."""

from peewee import ForeignKeyField
from playhouse.fields import EnumField

from app.accounts.models import Person
from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import StaffRole


class StaffGrant(BaseModel):
    """A person works for the operator in a staff role."""

    person = ForeignKeyField(Person, backref="staff_grants", on_delete="CASCADE")
    person_id: int
    role = EnumField(StaffRole, max_length=20)
    created_at = UTCDateTimeField()

    class Meta:
        indexes = ((("person", "role"), True),)
