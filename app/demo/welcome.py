"""What `tessera demo` and `tessera serve` do with the cast: load it, and print how to use it."""

import json

from app.accounts.models import Person
from app.config import Settings
from app.kernel.database import change
from app.seeding.fixtures import read_cast
from app.seeding.loader import is_empty, load_cast

_SHOWN = {
    "olivia-marsh": "an exams officer: nearly every tile, and the people of her school",
    "thomas-reed": "a teacher, with a few tiles",
    "amara-lewis": "somebody at two schools",
    "helen-frost": "somebody without a school",
    "sam-porter": "support staff of the operator",
}
_SUBJECT, _SERVICE = "thomas-reed", "submit-for-assessment"
"""The person and the service of the example request; a client has the public id of the service."""


@change
def load_cast_if_empty() -> bool:
    """Load the cast into the connected database if it is empty, and return whether it was. Safe concurrently."""
    if not is_empty():
        return False
    load_cast()
    return True


def sign_in_hints(settings: Settings) -> str:
    """Return the accounts to sign in with and an example request; empty if the cast is not in the database."""
    if not Person.select().where(Person.public_id == _SUBJECT).exists():
        return ""
    described = read_cast()
    addresses = {entry["id"]: entry["email"] for entry in described["person"]}
    keys = {entry["id"]: entry["key"] for entry in described["client"]}
    lines = (f"  {addresses[name]:<28} {shows}" for name, shows in _SHOWN.items())
    return "\n".join(
        (
            f"\nSign in with the password `{described['password']}` as",
            *lines,
            "\nAsk, as a service would:",
            f"  {_example_request(settings, keys[_SERVICE])}\n",
        )
    )


def _example_request(settings: Settings, key: str) -> str:
    body = {
        "subject": {"type": "person", "id": _SUBJECT},
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": _SERVICE},
    }
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return f"curl {settings.public_url}/authorize {headers} -d '{json.dumps(body)}'"
