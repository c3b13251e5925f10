"""Services, roles and clients, as stored. A new service needs rows, but no release."""

from peewee import SQL, BooleanField, CharField, ForeignKeyField, IntegerField, JSONField
from playhouse.fields import EnumField

from app.kernel.database import BaseModel, UTCDateTimeField
from app.vocabulary import ServiceState

LAUNCH_ADDRESS = r"https?://[^\s/]+\S*|/\S*"
"""A regular expression for where a tile may lead."""


class Service(BaseModel):
    """A service that opens from a tile."""

    slug = CharField(max_length=60, unique=True)
    name = CharField(max_length=100)
    sentence = CharField(max_length=200)
    launch_address = CharField(max_length=500)
    state = EnumField(ServiceState, max_length=20, default=ServiceState.LIVE)
    second_factor = BooleanField(default=False)
    """Whether the service requires a second factor at sign-in."""

    @property
    def reference(self) -> str:
        """How events name this service."""
        return f"service:{self.slug}"


class Role(BaseModel):
    """A role that can be given to members. Without a service it belongs to the portal itself."""

    slug = CharField(max_length=120, unique=True)
    """`SERVICE:ROLE`, or `portal:ROLE`; how callers and policies name it."""
    service = ForeignKeyField(Service, null=True, backref="roles", on_delete="CASCADE")
    name = CharField(max_length=100)
    sentence = CharField(max_length=200)
    officers_may_give = BooleanField(default=True)
    position = IntegerField(default=0)
    retired_at = UTCDateTimeField(null=True)
    """A retired role is nobody's and cannot be given; who held it holds it again once it is restored."""

    @property
    def reference(self) -> str:
        """How events name this role."""
        return f"role:{self.slug}"

    @property
    def full_name(self) -> str:
        """How pages name this role where its service is not named beside it."""
        return f"{self.service.name}: {self.name}" if self.service else str(self.name)


class Client(BaseModel):
    """A program that calls the decision API with a key, on behalf of one service."""

    public_id = CharField(max_length=40, unique=True)
    name = CharField(max_length=100)
    service = ForeignKeyField(Service, null=True, on_delete="CASCADE")
    kinds = JSONField(default=list)
    """The resource types that it asks about. A type outside the directory belongs to one service."""
    knows_everybody = BooleanField(default=False, constraints=[SQL("default false")])
    """Whether everybody in the directory concerns this client: true for those of packs."""
    person_types = JSONField(null=True)
    """What this client calls a person, beside `person` and `user`."""
    by_address = BooleanField(default=False, constraints=[SQL("default false")])
    """Whether searches return people's e-mail addresses in the place of their ids."""
    key_hash = CharField(max_length=64, unique=True)
    created_at = UTCDateTimeField()
    ended_at = UTCDateTimeField(null=True)

    @property
    def reference(self) -> str:
        """How events name this client."""
        return f"client:{self.public_id}"
