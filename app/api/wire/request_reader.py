"""Reading questions from the body of a message.

The schemas say what a message is. Nearly every one is as it should be, and is read by hand here in a fiftieth of the
time; whatever is unusual in any way is left to the schemas, which also find the words for what is wrong with it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeGuard, TypeVar

from app.api.errors import ApiError
from app.api.wire.requests import ActionAsked, Batch, Entity, EvaluationRequest, Failure, Semantic, Values
from app.api.wire.schemas import evaluation
from app.vocabulary import DIRECTORY_KINDS

Body = Mapping[str, Any]
Part = TypeVar("Part", Entity, ActionAsked)

_MEMBERS = ("subject", "action", "resource", "context")
_REQUEST = evaluation.EvaluationRequestSchema()
_BATCH = evaluation.EvaluationsRequestSchema(only=["options"])
_UNUSUAL: Final[dict[str, Any]] = {}
"""In the place of a context that the schema has to look at."""


def read_evaluation(body: Body) -> EvaluationRequest:
    """Return the one question in `body`. Raises `ApiError` 400 that names every member that is wrong."""
    return read_plainly(body) or read_by_schema(body)


def read_evaluations(body: Body, *, most: int) -> EvaluationRequest | Batch:
    """Return the questions in `body`: a single one where `evaluations` is absent or empty, as AuthZEN has it.

    Raises `ApiError` 400 for what concerns all of them, more than `most` of them included; an item that is wrong is a
    failure in its place.
    """
    evaluations = body.get("evaluations")
    if evaluations is None or evaluations == []:
        _check_options(body.get("options"))
        return read_evaluation(body)
    if type(evaluations) is not list:
        raise ApiError(400, "evaluations must be a list.")
    if len(evaluations) > most:
        raise ApiError(400, f"There are {len(evaluations)} evaluations; at most {most} are answered at once.")
    options = evaluation.loaded(_BATCH, body).get("options", {}) if "options" in body else {}
    return Batch(
        _items(body, evaluations),
        options.get("evaluations_semantic", Semantic.EXECUTE_ALL),
        options.get("at_least_revision", 0),
    )


def read_by_schema(body: Any) -> EvaluationRequest:
    """Return the question in `body` as the schema reads it. Raises `ApiError` 400."""
    request: EvaluationRequest = evaluation.loaded(_REQUEST, body)
    return request


def read_plainly(body: Body) -> EvaluationRequest | None:
    """Return the question in `body` if nothing about it is unusual."""
    at_least = _at_least(body.get("options"))
    if at_least is None:
        return None
    return _request(
        _subject(body.get("subject")),
        _action(body.get("action")),
        _resource(body.get("resource")),
        _context(body.get("context")),
        at_least,
    )


def _check_options(options: Any) -> None:
    """Check what a single question says as one of a batch would: it may have been meant as one."""
    if options is not None and (type(options) is not dict or "evaluations_semantic" in options):
        evaluation.loaded(_BATCH, {"options": options})


def _items(body: Body, evaluations: list[Any]) -> list[EvaluationRequest | Failure]:
    defaults = {name: body[name] for name in _MEMBERS if body.get(name) is not None}
    subject = _subject(defaults.get("subject"))
    action = _action(defaults.get("action"))
    resource = _resource(defaults.get("resource"))
    context = _context(defaults.get("context"))
    read_subject, read_action, read_resource = _Repeating(_subject), _Repeating(_action), _Repeating(_resource)
    items: list[EvaluationRequest | Failure] = []
    for item in evaluations:
        request = None
        if type(item) is dict:
            # An item's own member takes the place of the whole one at the top; nothing is merged within.
            own = item.get
            request = _request(
                subject if own("subject") is None else read_subject(item["subject"]),
                action if own("action") is None else read_action(item["action"]),
                resource if own("resource") is None else read_resource(item["resource"]),
                context if own("context") is None else _context(item["context"]),
            )
        items.append(request or _unusual_item(defaults, item))
    return items


class _Repeating(Generic[Part]):
    """Reads one part of each question of a batch; what is the same as in the one before need not be read again."""

    def __init__(self, read: Callable[[Any], Part | None]) -> None:
        self._read: Callable[[Any], Part | None] = read
        self._told: Any = None
        self._part: Part | None = None

    def __call__(self, told: Any) -> Part | None:
        """Return what `told` says, or None if it is unusual."""
        if told == self._told:
            return self._part
        part = self._part = self._read(told)
        # Texts are equal only if they are the same; of properties that is not so, as True is 1 to Python.
        self._told = told if part is not None and part.properties is None else None
        return part


def _unusual_item(defaults: dict[str, Any], item: Any) -> EvaluationRequest | Failure:
    if not isinstance(item, dict):
        return Failure(400, "An evaluation must be an object.")
    try:
        return read_by_schema(defaults | {name: item[name] for name in _MEMBERS if item.get(name) is not None})
    except ApiError as error:
        return Failure(error.status, error.sentence)


def _request(
    subject: Entity | None,
    action: ActionAsked | None,
    resource: Entity | None,
    context: Values | None,
    at_least: int = 0,
) -> EvaluationRequest | None:
    if subject is None or action is None or resource is None or context is _UNUSUAL:
        return None
    organisation = _organisation(resource)
    if context is not None and "organisation" in context:
        other = context["organisation"]
        if organisation is not None and organisation != other:
            return None
        organisation = other
    return EvaluationRequest(subject, action, resource, context, organisation, at_least)


def _entity(value: Any, longest: int) -> Entity | None:
    if type(value) is not dict:
        return None
    kind, name, properties = value.get("type"), value.get("id"), value.get("properties")
    if not (_is_text(kind, evaluation.LONGEST_TYPE) and _is_text(name, longest)):
        return None
    if properties is not None and type(properties) is not dict:
        return None
    return Entity(kind, name, properties)


def _subject(value: Any) -> Entity | None:
    return _entity(value, evaluation.LONGEST_SUBJECT)


def _resource(value: Any) -> Entity | None:
    resource = _entity(value, evaluation.LONGEST_RESOURCE)
    if resource is None or resource.type not in DIRECTORY_KINDS:
        return resource
    return resource if _names_organisation_plainly(resource.properties) else None


def _organisation(resource: Entity) -> str | None:
    if resource.properties is None or resource.type not in DIRECTORY_KINDS:
        return None
    return resource.properties.get("organisation")


def _action(value: Any) -> ActionAsked | None:
    if type(value) is not dict:
        return None
    name, properties = value.get("name"), value.get("properties")
    if not _is_text(name, evaluation.LONGEST_ACTION) or not (properties is None or type(properties) is dict):
        return None
    return ActionAsked(name, properties)


def _at_least(options: Any) -> int | None:
    if type(options) is not dict:
        return 0
    revision = options.get("at_least_revision", 0)
    return revision if type(revision) is int and 0 <= revision <= evaluation.LARGEST_REVISION else None


def _context(value: Any) -> Values | None:
    if value is None:
        return None
    return value if type(value) is dict and _names_organisation_plainly(value) else _UNUSUAL


def _names_organisation_plainly(values: Values | None) -> bool:
    return (
        values is None
        or "organisation" not in values
        or _is_text(values["organisation"], evaluation.LONGEST_ORGANISATION)
    )


def _is_text(value: Any, longest: int) -> TypeGuard[str]:
    # Printable is narrower than "no control characters": the schema accepts more.
    return type(value) is str and 0 < len(value) <= longest and value.isprintable()
