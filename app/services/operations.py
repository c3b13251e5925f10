"""Changes to the catalogue."""

from app.audit.operations import OPERATOR, record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.ids import new_public_id
from app.kernel.tokens import hash_token, new_token
from app.services.models import Client, Service
from app.vocabulary import EventName

KEY_PREFIX = "tessera_"
"""Lets people and secret scanners recognise a key that has got about."""


@change
def add_client(name: str, service: Service, kinds: list[str], *, by: str = OPERATOR) -> tuple[Client, str]:
    """Add a client for `service` that asks about `kinds`, and return it with its key, which is not kept."""
    key = KEY_PREFIX + new_token()
    client = Client.create(
        public_id=new_public_id(),
        name=name,
        service=service,
        kinds=kinds,
        key_hash=hash_token(key),
        created_at=clock.now(),
    )
    record(EventName.CLIENT_ADDED, by=by, subject=client.reference, service=service.slug, kinds=kinds)
    return client, key


@change
def note_opened(service: Service, *, by: str, organisation: str) -> None:
    """Record that somebody was let through to `service`."""
    record(EventName.SERVICE_OPENED, by=by, subject=service.reference, organisation=organisation)
