"""Queries about organisations."""

from peewee import ModelSelect, fn

from app.organisations.models import Organisation


def organisation_with_id(public_id: str) -> Organisation | None:
    """Return one organisation, or None."""
    return Organisation.get_or_none(Organisation.public_id == public_id)


def organisation_named(name: str) -> Organisation | None:
    """Return the organisation with this public id or centre number, or None."""
    return Organisation.get_or_none((Organisation.public_id == name) | (Organisation.centre_number == name))


def organisations_list(search: str = "") -> "ModelSelect[Organisation]":
    """Return all organisations by name; `search` keeps those that match each of its words.

    The name contains a word, or the centre number begins with it.
    """
    name = fn.LOWER(Organisation.name)
    query = Organisation.select().order_by(name, Organisation.id)
    for word in search.lower().split():
        query = query.where(name.contains(word) | Organisation.centre_number.startswith(word))
    return query
