"""Organisations, memberships and invitations, as stored."""

from peewee import CharField, ForeignKeyField
from playhouse.fields import EnumField

from app.accounts.models import Person
from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import MembershipState, OrganisationState

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


class Membership(BaseModel):
    """A person at an organisation."""

    public_id = CharField(max_length=40, unique=True)
    person = ForeignKeyField(Person, backref="memberships", on_delete="CASCADE")
    person_id: int
    organisation = ForeignKeyField(Organisation, backref="memberships", on_delete="CASCADE")
    state = EnumField(MembershipState, max_length=20, default=MembershipState.ACTIVE)
    created_at = UTCDateTimeField()
    added_as = CharField(max_length=120, default="")
    """The name that was typed when somebody was added who had an account already; empty for everybody else."""

    class Meta:
        indexes = ((("person", "organisation"), True),)

    @property
    def is_known(self) -> bool:
        """Whether the organisation may know more of the person than whoever added them typed.

        Anybody's address can be typed. What stands in the account, its name, state and last sign-in, the organisation
        learns once its holder has been told and has signed in.
        """
        signed_in = self.person.last_sign_in_at
        return not self.added_as or (signed_in is not None and signed_in >= self.created_at)

    @property
    def shown_name(self) -> str:
        """The name of the person, as the organisation knows it."""
        return str(self.person.name if self.is_known else self.added_as)

    @property
    def reference(self) -> str:
        """How events name this membership."""
        return f"membership:{self.public_id}"


class Invitation(BaseModel):
    """A mailed link that lets an invited person activate their account, once.

    `organisation` is empty when a person created the account themselves.
    """

    token_hash = CharField(max_length=64, unique=True)
    person = ForeignKeyField(Person, on_delete="CASCADE")
    person_id: int
    organisation = ForeignKeyField(Organisation, null=True, on_delete="CASCADE")
    invited_by = ForeignKeyField(Person, null=True, backref="invitations_sent", on_delete="SET NULL")
    created_at = UTCDateTimeField()
    ends_at = UTCDateTimeField()
    used_at = UTCDateTimeField(null=True)
    cancelled_at = UTCDateTimeField(null=True)
