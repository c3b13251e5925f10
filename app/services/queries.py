"""Queries about the catalogue."""

from peewee import JOIN, fn

from app.services.models import Client, Role, Service
from app.vocabulary import DIRECTORY_KINDS


def services() -> list[Service]:
    """Return the whole catalogue by name."""
    return list(Service.select().order_by(fn.LOWER(Service.name)))


def service_with_slug(service_slug: str) -> Service | None:
    """Return one service, or None."""
    return Service.get_or_none(Service.slug == service_slug)


def roles() -> list[Role]:
    """Return every role with its service: the portal's own roles first, then those of services by name."""
    return list(
        Role.select(Role, Service)
        .join(Service, JOIN.LEFT_OUTER)
        .order_by(Role.service.is_null(is_null=False), fn.LOWER(Service.name), Role.position, Role.id)
    )


def roles_of(service: Service) -> list[Role]:
    """Return the roles of one service, in display order."""
    return list(
        Role.select(Role, Service).join(Service).where(Role.service == service).order_by(Role.position, Role.id)
    )


def role_with_slug(slug: str) -> Role | None:
    """Return one role with its service, or None."""
    role: Role | None = Role.select(Role, Service).join(Service, JOIN.LEFT_OUTER).where(Role.slug == slug).first()
    return role


def owner_of(kind: str, *, besides: Service) -> Service | None:
    """Return the service other than `besides` whose clients, ended ones included, declare the resource type `kind`.

    None if there is none, and for types of the directory, which belong to no service.
    """
    if kind in DIRECTORY_KINDS:
        return None
    others = Client.select(Client, Service).join(Service).where(Client.service != besides).order_by(Client.id)
    return next((client.service for client in others if kind in client.kinds), None)
