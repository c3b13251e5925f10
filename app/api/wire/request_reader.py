"""Reads evaluations and searches from the body of a message.

The schemas say what a message is. Nearly every one is in good form, and is converted here in a fiftieth of the time;
whatever is unusual in any way is left to the schemas, which also find the words for what is wrong with it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.json import Decoder

from app.api.errors import InvalidRequestError, RequestError
from app.api.wire.near_misses import ORGANISATION, TOP, check_names
from app.api.wire.requests import (
    LARGEST_REVISION,
    LONGEST_ORGANISATION,
    Batch,
    Entity,
    EvaluationRequest,
    FailedItem,
    RequestedAction,
    SearchRequest,
    SearchTarget,
    Semantic,
    named_organisation,
)
from app.api.wire.schemas.evaluation import EvaluationRequestSchema, EvaluationsRequestSchema
from app.api.wire.schemas.fields import Read, loaded, read_part
from app.api.wire.schemas.search import SEARCHES
from app.vocabulary import DIRECTORY_KINDS

Body = Mapping[str, Any]
T = TypeVar("T")

_USUAL_NAMES = frozenset({"subject", "action", "resource", "context", "options"})
_MEMBERS = ("subject", "action", "resource", "context")
_REQUEST = EvaluationRequestSchema()
_BATCH = EvaluationsRequestSchema(only=["options"])


class _Options(Struct, forbid_unknown_fields=True):
    at_least_revision: Annotated[int, Meta(ge=0, le=LARGEST_REVISION)] = 0


class _Evaluation(Struct):
    """A single evaluation in its usual form."""

    subject: Entity
    action: RequestedAction
    resource: Entity
    context: dict[str, Any] | None = None
    options: _Options | None = None


class _Item(Struct):
    """An evaluation of a batch in its usual form; what it leaves out is at the top of the message."""

    subject: Entity | None = None
    action: RequestedAction | None = None
    resource: Entity | None = None
    context: dict[str, Any] | None = None


# msgspec prepares a struct when it is first used, and two threads that both use it first can crash the process.
for _form in (_Evaluation, _Item):
    Decoder(_form)


class _Slips:
    """Looks for slips in objects, but once in each: a hundred questions may have one in common, of thousands of names.

    Knows an object by its id, and so holds it.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, InvalidRequestError | None]] = {}

    def check(self, resource: Entity, context: Mapping[str, Any] | None) -> None:
        """Raise `InvalidRequestError` for a name that is nearly `organisation`, where that would mean something."""
        if resource.type in DIRECTORY_KINDS:
            for names, within in ((resource.properties, "resource.properties."), (context, "context.")):
                if names:
                    self._check(names, within)

    def _check(self, names: Mapping[str, Any], within: str) -> None:
        if id(names) not in self._seen:
            slip = None
            try:
                check_names(names, ORGANISATION, within)
            except InvalidRequestError as error:
                slip = error
            self._seen[id(names)] = names, slip
        _names, slip = self._seen[id(names)]
        if slip is not None:
            raise InvalidRequestError(slip.message)


class _Defaults:
    """What stands at the top of a batch, for the questions that leave it out. Each part is read once, however many."""

    def __init__(self, body: Body) -> None:
        self._parts = {name: body[name] for name in _MEMBERS if body.get(name) is not None}
        # One that is wrong matters only to the items that it is a part of.
        self.usual = _Item(
            _converted(self._parts.get("subject"), Entity),
            _converted(self._parts.get("action"), RequestedAction),
            _converted(self._parts.get("resource"), Entity),
        )
        self.context = self._parts.get("context")

    @cached_property
    def read(self) -> dict[str, Read]:
        """The parts as the schemas read them."""
        return {name: read_part(_REQUEST.fields[name], value) for name, value in self._parts.items()}


def read_evaluation(body: Body) -> EvaluationRequest:
    """Return the one evaluation in `body`. Raises `InvalidRequestError` that names every member that is wrong."""
    if not body.keys() <= _USUAL_NAMES:
        check_names(body, TOP)
    return read_quickly(body) or read_by_schema(body)


def read_evaluations(body: Body, *, limit: int) -> EvaluationRequest | Batch:
    """Return the evaluations in `body`: a single one where `evaluations` is absent or empty, as AuthZEN has it.

    Raises `InvalidRequestError` for what concerns all of them, more than `limit` of them included; an item that is
    wrong fails in its place.
    """
    if not body.keys() <= _USUAL_NAMES:
        check_names(body, TOP)
    evaluations = body.get("evaluations")
    if evaluations is None or evaluations == []:
        if "options" in body:
            _check_options(body["options"])
        return read_quickly(body) or read_by_schema(body)
    if type(evaluations) is not list:
        raise InvalidRequestError("evaluations must be a list.")
    if len(evaluations) > limit:
        raise InvalidRequestError(f"There are {len(evaluations)} evaluations; at most {limit} are answered at once.")
    options = loaded(_BATCH, body).get("options", {}) if "options" in body else {}
    return Batch(
        _items(body, evaluations),
        options.get("evaluations_semantic", Semantic.EXECUTE_ALL),
        options.get("at_least_revision", 0),
    )


def read_search(target: SearchTarget, body: Body) -> SearchRequest:
    """Return the search for `target` in `body`. Raises `InvalidRequestError`."""
    check_names(body, TOP)
    request: SearchRequest = loaded(SEARCHES[target], body)
    _Slips().check(request.evaluation.resource, request.evaluation.context)
    return request


def read_by_schema(body: Any, slips: _Slips | None = None) -> EvaluationRequest:
    """Return the evaluation in `body` as its schema reads it. Raises `InvalidRequestError`."""
    request: EvaluationRequest = loaded(_REQUEST, body)
    (slips or _Slips()).check(request.resource, request.context)
    return request


def read_quickly(body: Body) -> EvaluationRequest | None:
    """Return the evaluation in `body` if nothing about it is unusual."""
    try:
        message = convert(body, _Evaluation)
    except ValidationError:
        return None
    at_least = 0 if message.options is None else message.options.at_least_revision
    return _request(message.subject, message.action, message.resource, message.context, at_least=at_least)


def _converted(value: Any, form: type[T]) -> T | None:
    try:
        return convert(value, form)
    except ValidationError:
        return None


def _check_options(options: Any) -> None:
    """Check what a single evaluation says as one of a batch would: it may have been meant as a batch."""
    if options is not None and (type(options) is not dict or "evaluations_semantic" in options):
        loaded(_BATCH, {"options": options})


def _items(body: Body, evaluations: list[Any]) -> list[EvaluationRequest | FailedItem]:
    defaults, slips = _Defaults(body), _Slips()
    items: list[_Item] | list[_Item | None] | None = _converted(evaluations, list[_Item])
    if items is None:
        items = [_converted(one, _Item) for one in evaluations]
    return [
        (item and _with_defaults(item, defaults, slips)) or _read_unusual(defaults, evaluation, slips)
        for item, evaluation in zip(items, evaluations, strict=True)
    ]


def _with_defaults(item: _Item, defaults: _Defaults, slips: _Slips) -> EvaluationRequest | None:
    # An item's own member takes the place of the whole one at the top; nothing is merged within.
    shared = defaults.usual
    return _request(
        shared.subject if item.subject is None else item.subject,
        shared.action if item.action is None else item.action,
        shared.resource if item.resource is None else item.resource,
        defaults.context if item.context is None else item.context,
        slips=slips,
    )


def _read_unusual(defaults: _Defaults, item: Any, slips: _Slips) -> EvaluationRequest | FailedItem:
    if not isinstance(item, dict):
        return FailedItem(InvalidRequestError("An evaluation must be an object."))
    own = {name: item[name] for name in _MEMBERS if item.get(name) is not None}
    try:
        return read_by_schema(defaults.read | own, slips)
    except RequestError as error:
        return FailedItem(error)


def _request(  # noqa: C901  (in one piece: a call for each part takes as long as all of it)
    subject: Entity | None,
    action: RequestedAction | None,
    resource: Entity | None,
    context: Any,
    *,
    at_least: int = 0,
    slips: _Slips | None = None,
) -> EvaluationRequest | None:
    """Return the evaluation of these parts; None if one is missing, or anything about one is unusual."""
    if subject is None or action is None or resource is None:
        return None
    # Printable is narrower than "no control characters", which is what the schema wants.
    if not (
        subject.type.isprintable()
        and subject.id.isprintable()
        and action.name.isprintable()
        and resource.type.isprintable()
        and resource.id.isprintable()
    ):
        return None
    if context is not None and type(context) is not dict:
        return None
    if resource.type not in DIRECTORY_KINDS:
        named = None if context is None else named_organisation(context)
        if named is None and context is not None and "organisation" in context:
            return None
        return EvaluationRequest(subject, action, resource, context, named, at_least)
    if resource.properties or context:
        try:
            (slips or _Slips()).check(resource, context)
        except InvalidRequestError:
            return None
    organisation = again = None
    if resource.properties is not None and "organisation" in resource.properties:
        organisation = resource.properties["organisation"]
        if not _is_organisation(organisation):
            return None
    if context is not None and "organisation" in context:
        other = context["organisation"]
        if not _is_organisation(other):
            return None
        organisation, again = other, organisation if organisation != other else None
    return EvaluationRequest(subject, action, resource, context, organisation, at_least, again)


def _is_organisation(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= LONGEST_ORGANISATION and value.isprintable()
