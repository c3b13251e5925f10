"""What can be asked, as it was read from a message: plain values, checked for their form and for nothing else."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

Values = Mapping[str, Any]


class Semantic(StrEnum):
    """How far a batch is answered."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


class Entity(NamedTuple):
    """A subject or a resource. `properties` is None where the caller told none."""

    type: str
    id: str
    properties: Values | None = None


class ActionAsked(NamedTuple):
    """What would be done."""

    name: str
    properties: Values | None = None


class EvaluationRequest(NamedTuple):
    """One question. `organisation` is None where it is about any."""

    subject: Entity
    action: ActionAsked
    resource: Entity
    context: Values | None = None
    organisation: str | None = None
    at_least_revision: int = 0


class Failure(NamedTuple):
    """What stands in the place of a decision when one question of a batch gets none."""

    status: int
    sentence: str


class Batch(NamedTuple):
    """Several questions in their order; what could not be read is a failure already."""

    items: list[EvaluationRequest | Failure]
    semantic: Semantic
    at_least_revision: int = 0
