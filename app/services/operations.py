"""Changes to the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.audit.operations import OPERATOR, record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.ids import new_public_id
from app.kernel.tokens import hash_token, new_token
from app.services.models import Client, Role, Service
from app.services.queries import owner_of
from app.vocabulary import Action, EventName, Reason

KEY_PREFIX = "tessera_"
"""By which people and secret scanners recognise a leaked key."""


@dataclass(frozen=True)
class NewRole:
    """A role to add with its service. `slug` does not include that of the service."""

    slug: str
    name: str
    sentence: str = ""


def new_key() -> str:
    """Return a key for a client."""
    return KEY_PREFIX + new_token()


@change
def add_client(
    name: str,
    service: Service,
    kinds: list[str],
    *,
    by_address: bool = False,
    person_types: Sequence[str] = (),
    by: str = OPERATOR,
) -> tuple[Client, str]:
    """Add a client for `service` that asks about `kinds`, and return it with its key, which is not stored.

    Searches answer it with people's ids, or `by_address`. It may call a person by one of `person_types`, too.

    Raises `ProblemError` when one of the kinds belongs to another service, because clients also register, read and
    delete the records of their kinds.
    """
    for kind in kinds:
        owner = owner_of(kind, besides=service)
        if owner is not None:
            raise ProblemError(f"The kind {kind} belongs to the service {owner.slug}.", field="kind")
    key = new_key()
    client = Client.create(
        public_id=new_public_id(),
        name=name,
        service=service,
        kinds=kinds,
        by_address=by_address,
        person_types=list(person_types),
        key_hash=hash_token(key),
        created_at=clock.now(),
    )
    record(EventName.CLIENT_ADDED, by=by, subject=client.reference, service=service.slug, kinds=kinds)
    return client, key


@change
def add_service(
    slug: str, name: str, sentence: str, launch_address: str, roles: Sequence[NewRole], *, by: str = OPERATOR
) -> Service:
    """Add a service with its roles, in display order.

    Raises `ProblemError` when the slug is taken or a role is repeated.
    """
    if Service.get_or_none(Service.slug == slug) is not None:
        raise ProblemError(f"There is a service {slug} already.", field="slug")
    if len({role.slug for role in roles}) != len(roles):
        raise ProblemError("A service has each of its roles once.", field="role")
    service = Service.create(slug=slug, name=name, sentence=sentence, launch_address=launch_address)
    for position, role in enumerate(roles):
        Role.create(
            slug=f"{slug}:{role.slug}", service=service, name=role.name, sentence=role.sentence, position=position
        )
    record(EventName.SERVICE_ADDED, by=by, subject=service.reference, roles=[role.slug for role in roles])
    return service


@change
def note_opened(service: Service, *, by: str, organisation: str) -> None:
    """Record that `by` opened `service`."""
    record(EventName.SERVICE_OPENED, by=by, subject=service.reference, organisation=organisation)


@change
def note_not_opened(service: Service, *, by: str, organisation: str, reason: Reason) -> None:
    """Record that `service` did not open for `by`, and why."""
    record(
        EventName.REFUSED,
        by=by,
        subject=service.reference,
        organisation=organisation,
        action=str(Action.LAUNCH),
        reason=str(reason),
    )
