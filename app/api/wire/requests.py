"""What callers ask, as plain values that were read from a message: checked for their form and for nothing else."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from app.api.errors import RequestError
from app.authz.polar.names import LONGEST_KIND

Values = Mapping[str, Any]

LONGEST_TYPE = LONGEST_KIND
LONGEST_SUBJECT = 255
LONGEST_ACTION = 100
LONGEST_RESOURCE = 255
LONGEST_ORGANISATION = 100
LARGEST_REVISION = 2**53 - 1
NO_NAME = ""
"""Stands for a name that no organisation can have."""


class Semantic(StrEnum):
    """How far a batch is evaluated, by the names that AuthZEN gives."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


class SearchTarget(StrEnum):
    """What a search looks for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


class Entity(Struct, frozen=True):
    """A subject or a resource. `properties` is None where the caller sent none."""

    type: Annotated[str, Meta(min_length=1, max_length=LONGEST_TYPE)]
    id: Annotated[str, Meta(min_length=1, max_length=LONGEST_SUBJECT)]
    properties: dict[str, Any] | None = None


class RequestedAction(Struct, frozen=True):
    """What would be done."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_ACTION)]
    properties: dict[str, Any] | None = None


class EvaluationRequest(Struct, frozen=True):
    """One evaluation. `organisation` is None where any of the person's counts."""

    subject: Entity
    action: RequestedAction
    resource: Entity
    context: dict[str, Any] | None = None
    organisation: str | None = None
    at_least_revision: int = 0
    organisation_again: str | None = None
    """Another name for it, if the caller sent two: an id and a centre number may be one organisation."""


class FailedItem(Struct, frozen=True):
    """Takes the place of one evaluation of a batch that gets no decision."""

    error: RequestError


class Batch(Struct, frozen=True):
    """Several evaluations in their order; an item that could not be read has failed already."""

    items: list[EvaluationRequest | FailedItem]
    semantic: Semantic
    at_least_revision: int = 0


class SearchRequest(Struct, frozen=True):
    """A search. Each candidate takes its place in `evaluation`; `limit` is None where the caller sent none."""

    target: SearchTarget
    evaluation: EvaluationRequest
    token: str = ""
    limit: int | None = None


def named_organisation(context: Mapping[str, Any]) -> str | None:
    """Return the organisation in the context of a question about a type that only the policy declares.

    Its service may keep something else under this name; what cannot be a name is then one that nobody has.
    """
    named = context.get("organisation")
    if named is None:
        return None
    is_name = isinstance(named, str) and 0 < len(named) <= LONGEST_ORGANISATION and named.isprintable()
    return named if is_name else NO_NAME
