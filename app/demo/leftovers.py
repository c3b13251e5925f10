"""What the demo leaves in a database, and nobody may be served with: everybody knows its passwords and keys."""

from app.accounts.models import EmailAddress, Person
from app.demo.crowd import OFFICER_ADDRESS
from app.kernel.database import database
from app.kernel.errors import ProblemError
from app.kernel.tokens import hash_token
from app.seeding.fixtures import read_cast
from app.services.models import Client


def refuse_demo() -> None:
    """Raise `ProblemError` when people or keys of the demo are in the connected database."""
    described = read_cast()
    people = Person.public_id.in_([entry["id"] for entry in described["person"]])
    keys = Client.key_hash.in_([hash_token(entry["key"]) for entry in described["client"]])
    crowd = EmailAddress.address == OFFICER_ADDRESS
    if any(
        model.select().where(condition).exists()
        for model, condition in ((Person, people), (Client, keys), (EmailAddress, crowd))
    ):
        raise ProblemError(
            "The database holds people or keys of the demo, whose passwords everybody knows, so it is for development"
            f" only: {database.obj.database}. Name another one with DATABASE_URL or DATA_DIR."
        )
