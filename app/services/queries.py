"""Queries about the catalogue."""

from peewee import JOIN, ModelSelect, fn

from app.services.models import Client, Role, Service
from app.vocabulary import DIRECTORY_KINDS


def services() -> list[Service]:
    """Return the whole catalogue by name."""
    return list(Service.select().order_by(fn.LOWER(Service.name)))


def service_with_slug(service_slug: str) -> Service | None:
    """Return one service, or None."""
    return Service.get_or_none(Service.slug == service_slug)


def roles() -> list[Role]:
    """Return every role that is not retired, with its service.

    The portal's own roles come first, then those of services by name.
    """
    return list(_with_services().where(Role.retired_at.is_null()))


def roles_ever() -> list[Role]:
    """Return every role, retired ones included, with its service, in the order of `roles`."""
    return list(_with_services())


def roles_of(service: Service) -> list[Role]:
    """Return the roles of one service that are not retired, in display order."""
    return list(
        Role.select(Role, Service)
        .join(Service)
        .where(Role.service == service, Role.retired_at.is_null())
        .order_by(Role.position, Role.id)
    )


def role_with_slug(slug: str) -> Role | None:
    """Return one role with its service, or None; a retired one is none."""
    role = role_ever_with_slug(slug)
    return None if role is None or role.retired_at is not None else role


def role_ever_with_slug(slug: str) -> Role | None:
    """Return one role, retired or not, with its service, or None."""
    role: Role | None = Role.select(Role, Service).join(Service, JOIN.LEFT_OUTER).where(Role.slug == slug).first()
    return role


def client_with_id(public_id: str) -> Client | None:
    """Return one client, ended or not, or None."""
    client: Client | None = (
        Client.select(Client, Service).join(Service, JOIN.LEFT_OUTER).where(Client.public_id == public_id).first()
    )
    return client


def clients() -> list[Client]:
    """Return every client, those that have ended included, with its service: by service and name."""
    return list(
        Client.select(Client, Service)
        .join(Service, JOIN.LEFT_OUTER)
        .order_by(Service.slug, fn.LOWER(Client.name), Client.id)
    )


def owner_of(kind: str, *, besides: Service) -> Service | None:
    """Return the service other than `besides` whose clients, ended ones included, declare the resource type `kind`.

    None if there is none, and for types of the directory, which belong to no service.
    """
    if kind in DIRECTORY_KINDS:
        return None
    others = Client.select(Client, Service).join(Service).where(Client.service != besides).order_by(Client.id)
    return next((client.service for client in others if kind in client.kinds), None)


def _with_services() -> "ModelSelect[Role]":
    return (
        Role.select(Role, Service)
        .join(Service, JOIN.LEFT_OUTER)
        .order_by(Role.service.is_null(is_null=False), fn.LOWER(Service.name), Role.position, Role.id)
    )
