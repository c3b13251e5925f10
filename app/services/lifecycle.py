"""How services, roles and clients change, end and come back."""

from collections.abc import Mapping

from app.audit.operations import OPERATOR, record
from app.kernel import clock
from app.kernel.database import change
from app.kernel.errors import ProblemError
from app.kernel.tokens import hash_token
from app.services.models import Client, Role, Service
from app.services.operations import NewRole, new_key
from app.vocabulary import EventName, ServiceState

_EVENTS = {
    ServiceState.LIVE: EventName.SERVICE_SHOWN,
    ServiceState.HIDDEN: EventName.SERVICE_HIDDEN,
    ServiceState.RETIRED: EventName.SERVICE_RETIRED,
}


@change
def end_client(client: Client, *, by: str = OPERATOR) -> None:
    """End the key of `client` for good. Raises `ProblemError` when it has ended already."""
    ended = Client.update(ended_at=clock.now()).where(Client.id == client.id, Client.ended_at.is_null()).execute()
    if not ended:
        raise ProblemError(f"The client {client.name} has ended already.")
    record(EventName.CLIENT_ENDED, by=by, subject=client.reference)


@change
def rotate_key(client: Client, *, by: str = OPERATOR) -> str:
    """Give `client` another key in the place of its own, and return it; only a hash of it is stored.

    Raises `ProblemError` when the client has ended.
    """
    key = new_key()
    changed = Client.update(key_hash=hash_token(key)).where(Client.id == client.id, Client.ended_at.is_null()).execute()
    if not changed:
        raise ProblemError(f"The client {client.name} has ended: add another one.")
    record(EventName.CLIENT_KEY_ROTATED, by=by, subject=client.reference)
    return key


@change
def set_service_state(service: Service, state: ServiceState, *, by: str = OPERATOR) -> None:
    """Offer `service` to people, hide it, or retire it; roles and what people hold of them stay as they are.

    Raises `ProblemError` when it is in this state already.
    """
    changed = Service.update(state=state).where(Service.id == service.id, Service.state != state).execute()
    if not changed:
        raise ProblemError(f"The service {service.name} is {state} already.")
    service.state = state
    record(_EVENTS[state], by=by, subject=service.reference)


@change
def change_service(service: Service, values: Mapping[str, str], *, by: str = OPERATOR) -> None:
    """Change what the tile of `service` says (`name`, `sentence`) or where it leads (`launch_address`)."""
    _change(service, values)
    record(EventName.SERVICE_CHANGED, by=by, subject=service.reference, changed=dict(values))


@change
def add_role(service: Service, new: NewRole, *, by: str = OPERATOR) -> Role:
    """Add a role to `service`, after its others. Raises `ProblemError` when the service has or had one of this slug."""
    slug = f"{service.slug}:{new.slug}"
    if Role.get_or_none(Role.slug == slug) is not None:
        raise ProblemError(f"There is a role {slug} already; if it is retired, `tessera role restore` brings it back.")
    position = Role.select().where(Role.service == service).count()
    role = Role.create(slug=slug, service=service, name=new.name, sentence=new.sentence, position=position)
    record(EventName.ROLE_ADDED, by=by, subject=role.reference)
    return role


@change
def change_role(role: Role, values: Mapping[str, str | bool], *, by: str = OPERATOR) -> None:
    """Change the `name` or `sentence` of `role`, or whether officers may give it (`officers_may_give`)."""
    _change(role, values)
    record(EventName.ROLE_CHANGED, by=by, subject=role.reference, changed=dict(values))


@change
def retire_role(role: Role, *, by: str = OPERATOR) -> None:
    """Have nobody hold `role`, or be given it, until it is restored.

    Raises `ProblemError` for a role of the portal itself, and when the role is retired already.
    """
    if role.service is None:
        raise ProblemError("A role of the portal itself cannot be retired.")
    retired = Role.update(retired_at=clock.now()).where(Role.id == role.id, Role.retired_at.is_null()).execute()
    if not retired:
        raise ProblemError(f"The role {role.slug} is retired already.")
    record(EventName.ROLE_RETIRED, by=by, subject=role.reference)


@change
def restore_role(role: Role, *, by: str = OPERATOR) -> None:
    """Take back that `role` was retired: who held it holds it again. Raises `ProblemError` when it is not retired."""
    restored = Role.update(retired_at=None).where(Role.id == role.id, Role.retired_at.is_null(False)).execute()  # noqa: FBT003  (peewee's own)
    if not restored:
        raise ProblemError(f"The role {role.slug} is not retired.")
    record(EventName.ROLE_RESTORED, by=by, subject=role.reference)


def _change(row: Service | Role, values: Mapping[str, str | bool]) -> None:
    """Store `values` in `row`. Raises `ProblemError` if there are none."""
    if not values:
        raise ProblemError("Say what is to be changed.")
    for name, value in values.items():
        setattr(row, name, value)
    row.save(only=list(values))
