"""Grants, as stored."""

from peewee import CharField, DateField, ForeignKeyField
from playhouse.fields import EnumField

from app.accounts.models import Person
from app.kernel.database import BaseModel, UTCDateTimeField
from app.organisations.models import Membership
from app.services.models import Role
from app.vocabulary import StaffRole


class Grant(BaseModel):
    """A membership holds a role, from a first day to the end of a last day, both optional."""

    membership = ForeignKeyField(Membership, backref="grants", on_delete="CASCADE")
    membership_id: int
    role = ForeignKeyField(Role, backref="grants", on_delete="CASCADE")
    role_id: int
    first_day = DateField(null=True)
    last_day = DateField(null=True)
    given_by = ForeignKeyField(Person, null=True, on_delete="SET NULL")
    reason = CharField(max_length=200, default="")
    created_at = UTCDateTimeField()

    class Meta:
        indexes = ((("membership", "role"), True),)


class StaffGrant(BaseModel):
    """A person holds a staff role on the platform."""

    person = ForeignKeyField(Person, backref="staff_grants", on_delete="CASCADE")
    person_id: int
    role = EnumField(StaffRole, max_length=20)
    created_at = UTCDateTimeField()

    class Meta:
        indexes = ((("person", "role"), True),)
