"""Memberships and grants, as stored."""

from peewee import CharField, DateField, ForeignKeyField
from playhouse.fields import EnumField

from app.accounts.models import Person
from app.kernel.database import BaseModel, UTCDateTimeField
from app.organisations.models import Organisation
from app.services.models import Role
from app.vocabulary import MembershipState


class Membership(BaseModel):
    """A person belongs to an organisation."""

    public_id = CharField(max_length=300, unique=True)
    person = ForeignKeyField(Person, backref="memberships", on_delete="CASCADE")
    person_id: int
    organisation = ForeignKeyField(Organisation, backref="memberships", on_delete="CASCADE")
    state = EnumField(MembershipState, max_length=20, default=MembershipState.ACTIVE)
    created_at = UTCDateTimeField()
    added_as = CharField(max_length=120, default="")
    """The name that was typed when a person with an account was added; empty for everybody else."""

    class Meta:
        indexes = ((("person", "organisation"), True),)

    @property
    def is_known(self) -> bool:
        """Whether the organisation may see more of the person than was typed when they were added.

        Anybody's address can be typed. The organisation sees the name, state and last sign-in of the account only
        after its holder was notified and has signed in.
        """
        signed_in = self.person.last_sign_in_at
        return not self.added_as or (signed_in is not None and signed_in >= self.created_at)

    @property
    def shown_name(self) -> str:
        """The name of the person that the organisation may see."""
        return str(self.person.name if self.is_known else self.added_as)

    @property
    def reference(self) -> str:
        """How events name this membership."""
        return f"membership:{self.public_id}"


class Grant(BaseModel):
    """A membership holds a role, from the beginning of a first day to the end of a last day, both optional."""

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
