"""Records, as stored."""

from peewee import CharField, JSONField

from app.kernel.database import BaseModel

LONGEST_ID = 255


class Record(BaseModel):
    """A resource that a service registered, with the properties that its policy may read."""

    kind = CharField(max_length=60)
    """The resource type, in the form that requests use: `mark_scheme`."""
    public_id = CharField(max_length=LONGEST_ID)
    properties = JSONField(default=dict)

    class Meta:
        indexes = ((("kind", "public_id"), True),)

    @property
    def reference(self) -> str:
        """How events name this record."""
        return f"record:{self.kind}:{self.public_id}"
