"""A sandbox around oso: rules read declared fields of facts and nothing else, and anything unusual is an error.

oso itself fails open in several places: a missing attribute is false and therefore true under `not`, and a rule may
call any method of any object.
"""

# oso has few types, and this is the one module that calls it.
# mypy: disable-error-code="no-untyped-call"

import json
import os
from collections.abc import Generator, Mapping, Sequence
from time import monotonic, thread_time
from typing import Any

from _polar_lib import lib  # type: ignore[import-not-found]  # compiled, without stubs
from oso import Oso
from polar import ffi
from polar.exceptions import OsoError
from polar.host import Host
from polar.predicate import Predicate
from polar.query import Query

from app.authz.engine.errors import PolicyError, is_timeout, load_problem, location_in
from app.authz.engine.replay import Conversation
from app.authz.engine.tree import Const, compare
from app.authz.facts import Array, Fact, Properties, read
from app.authz.polar.trace import Step, steps

TIMEOUT_MS = 1000
"""How long one decision may take; a usual one takes less than a millisecond."""

_RETRIES = 2
"""How often a decision that timed out is tried again because the machine, not the rules, kept it waiting."""

STEP_LIMIT = 50_000
"""How many questions Polar may ask in one decision."""

BUILT_IN_KINDS: dict[str, type] = {"Boolean": bool, "Float": float, "Integer": int, "List": tuple, "String": str}
"""What a rule head may name beside the kinds of fact."""

RESERVED_NAMES = frozenset(BUILT_IN_KINDS) | {"Actor", "Resource"}
"""The names of types that Polar defines itself, so that no block may declare them."""

# The core reads this whenever it starts a query; its own default is half a minute.
os.environ["POLAR_TIMEOUT_MS"] = str(TIMEOUT_MS)

_PLAIN = (str, bool, int, float, Array, Properties)
"""What JSON has."""

_OPERATORS = {"Eq": "==", "Unify": "==", "Neq": "!=", "Lt": "<", "Leq": "<=", "Gt": ">", "Geq": ">="}


class SandboxedQuery(Query):
    """One decision: answers Polar's questions about fields of facts, and refuses every other question.

    Questions and answers are recorded in `conversation`. `nil` is the id under which Polar knows the constant nil.
    """

    def __init__(self, ffi_query: ffi.Query, host: Host, nil: int, conversation: Conversation, now: float) -> None:
        super().__init__(ffi_query, host=host)
        self.nil = nil
        self.conversation = conversation
        self.now = now

    def run(self) -> Generator[dict[str, Any], None, None]:
        """Yield one empty set of bindings for each proof. Raises PolicyError."""
        for _ in range(STEP_LIMIT):
            ((kind, data),) = json.loads(self.ffi_query.next_event()).items()
            if kind == "Done":
                return
            if kind == "Result":
                yield {"bindings": {}, "trace": data["trace"]}
            else:
                self.answer(kind, data)
        raise PolicyError("The rules take too many steps.")

    def answer(self, kind: str, data: dict[str, Any]) -> None:
        """Answer one question of the core. Raises PolicyError for questions that no rule may cause."""
        match kind:
            case "ExternalCall":
                self.handle_external_call(data)
            case "ExternalOp":
                self.handle_external_op(data)
            case "ExternalIsa":
                self.handle_external_isa(data)
            case "ExternalIsSubSpecializer":
                self.handle_external_is_subspecializer(data)
            case "ExternalIsSubclass":
                self.handle_external_is_subclass(data)
            case "NextExternal":
                self.handle_next_external(data)
            case "MakeExternal":
                raise PolicyError("A rule uses `new`; rules may not make objects.")
            case "Debug":
                raise PolicyError("A rule uses debug(), which would stop the server.")
            case _:
                raise PolicyError("A rule asks for something that the sandbox does not provide.")

    def handle_external_call(self, data: dict[str, Any]) -> None:
        """Answer with a declared field of a fact."""
        owner, field = self.host.to_python(data["instance"]), data["attribute"]
        if data["args"] is not None or data["kwargs"] is not None:
            raise PolicyError(f"A rule calls the method {field}; rules read fields only.")
        value = _field(owner, field, self.now)
        term = self.host.to_polar(_opaque(value))
        self.conversation.field(_instance(data["instance"]), field, value, _instance(term))
        self.ffi_query.call_result(data["call_id"], term)

    def handle_external_op(self, data: dict[str, Any]) -> None:
        """Answer how two values compare, of which at least one is a fact or a text."""
        left, right = (self.host.to_python(operand) for operand in data["args"])
        operator = _OPERATORS.get(data["operator"])
        if operator is None:
            raise PolicyError("A rule calculates with something that is not a number.")
        if left is None or right is None:
            answer = self._compare_nil(operator, data["args"])
        else:
            _check_comparable(operator, left, right)
            # `!=` is recorded as `==` with the opposite answer, so that both are one question.
            asked = "==" if operator == "!=" else operator
            answer = compare(asked, left, right)
            sides = [_side(*side) for side in zip(data["args"], (left, right), strict=True)]
            self.conversation.compare(asked, sides[0], sides[1], answer=answer)
            answer = answer != (operator == "!=")
        self.ffi_query.question_result(data["call_id"], answer)

    def _compare_nil(self, operator: str, operands: Sequence[dict[str, Any]]) -> bool:
        """Return how two values compare of which at least one is nil. Raises PolicyError.

        A value that is missing equals the constant `nil` and nothing else, so that no rule takes two missing ones for
        the same. The conversation has recorded that it is nil where it was read.
        """
        are_nil = [self.host.to_python(operand) is None for operand in operands]
        if self.nil in map(_instance, operands):
            if operator in ("==", "!="):
                return all(are_nil) == (operator == "==")
        elif operator == "==":
            return False
        elif operator == "!=":
            raise PolicyError("A rule uses `!=` with a value that is missing.")
        raise PolicyError("A rule orders values that have no order.")

    def handle_next_external(self, data: dict[str, Any]) -> None:
        """Answer with the next element of a collection, or with nothing after the last one."""
        call_id, owner = data["call_id"], _instance(data["iterable"])
        if call_id not in self.calls:
            collection = self.host.to_python(data["iterable"])
            if not isinstance(collection, tuple):
                raise PolicyError("A rule uses `in` with something that is not a collection.")
            self.calls[call_id] = iter(collection)
        try:
            element = next(self.calls[call_id])
        except StopIteration:
            self.conversation.end(call_id, owner)
            self.ffi_query.call_result(call_id, None)
            return
        if not isinstance(element, Fact | str | bool | int | float | tuple | None):
            raise PolicyError("A collection contains something that is neither a fact nor a plain value.")
        term = self.host.to_polar(_opaque(element))
        self.conversation.element(call_id, owner, element, _instance(term))
        self.ffi_query.call_result(call_id, term)


class _QuietHost(Host):
    """Keeps the host's objects out of the core's messages, and knows the types of numbers as JSON has them."""

    def enrich_message(self, message: str) -> str:
        return message

    def isa(self, instance: dict[str, Any], class_tag: str) -> bool:
        """Return whether a value is of a type.

        To Python a boolean is an integer, so that `amount matches Integer and amount < 100` would let `true` through;
        and 10.0 is none, although programs that know one kind of number send it for 10.
        """
        value, kind = self.to_python(instance), self.get_class(class_tag)
        if isinstance(value, bool):
            return kind is bool
        if isinstance(value, float) and kind is int:
            return value.is_integer()
        return isinstance(value, kind)


class _QuietQuery(ffi.Query):
    """Keeps the output of `print` and of tracing, which is personal data, off the server's output."""

    def process_messages(self) -> None:
        for _message in ffi.process_messages(self.next_message):
            pass


class _QuietPolar(ffi.Polar):
    """The core, which keeps its messages in `messages` instead of printing them."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def process_messages(self) -> None:
        self.messages.extend(ffi.process_messages(self.next_message))

    def new_query_from_term(self, query_term: dict[str, Any], *, traced: bool = False) -> _QuietQuery:
        pointer = lib.polar_new_query_from_term(self.ptr, ffi.ffi_serialize(query_term), int(traced))
        self.messages.clear()
        return _QuietQuery(self.check_result(pointer))


class SandboxedOso(Oso):
    """An oso that knows the classes of facts and no others, runs every query sandboxed, and prints nothing."""

    ffi_polar: _QuietPolar

    # Does not call the parent, which would build a core that prints and register types that no fact holds.
    def __init__(self, kinds: Mapping[str, type[Fact]]) -> None:
        self.ffi_polar = _QuietPolar()
        self.host = _QuietHost(self.ffi_polar)
        self.ffi_polar.set_message_enricher(self.host.enrich_message)
        nil = self.host.to_polar(None)
        self.ffi_polar.register_constant(nil, "nil")
        self._nil = _instance(nil)
        for name, kind in {**BUILT_IN_KINDS, **kinds}.items():
            self.register_class(kind, name=name)

    def load(self, sources: Sequence[ffi.PolarSource]) -> list[PolicyError]:
        """Load all sources at once, and return what oso reports: the error that stopped it, then its warnings.

        Inline queries are refused, never run.
        """
        try:
            self._load_sources(list(sources))
        except PolicyError as error:
            errors = [error]
        except OsoError as error:
            errors = [load_problem(str(error.message))]
        else:
            errors = []
        return errors + [load_problem(message) for message in self.ffi_polar.messages]

    def check_inline_queries(self) -> None:
        """Raise PolicyError if the policy holds an inline query."""
        query = self.ffi_polar.next_inline_query()
        if query is not None:
            query.set_message_enricher(self.host.enrich_message)
            raise PolicyError(
                "Inline queries (?=) are not allowed; write a decision table.", location_in(query.source())
            )

    def ask(self, actor: Fact, action: str, resource: Fact, context: Fact, now: float) -> tuple[bool, Conversation]:
        """Evaluate the `allow` rules, and return their answer with the conversation that led to it.

        `now` is in seconds since 1970. Tries again after a timeout during which this thread hardly ran, because then
        the machine was busy and the rules are not to blame. Raises PolicyError for anything that goes wrong.
        """
        for _ in range(_RETRIES):
            started, cpu_time = monotonic(), thread_time()
            try:
                return self._ask_once(actor, action, resource, context, now)
            except OsoError as error:
                has_run = thread_time() - cpu_time > (monotonic() - started) / 2
                if has_run or not is_timeout(error):
                    raise
        return self._ask_once(actor, action, resource, context, now)

    def _ask_once(
        self, actor: Fact, action: str, resource: Fact, context: Fact, now: float
    ) -> tuple[bool, Conversation]:
        query = self._query(actor, action, resource, context, now, traced=False)
        return any(True for _ in query.run()), query.conversation

    def prove(
        self, actor: Fact, action: str, resource: Fact, context: Fact, now: float
    ) -> tuple[list[Step], Conversation] | None:
        """Evaluate like `ask`, and return the steps of the first proof with the conversation; None without a proof.

        Takes twice the time. Raises PolicyError.
        """
        query = self._query(actor, action, resource, context, now, traced=True)
        for answer in query.run():
            return list(steps(answer["trace"]["trace"])), query.conversation
        return None

    def _query(
        self, actor: Fact, action: str, resource: Fact, context: Fact, now: float, *, traced: bool
    ) -> SandboxedQuery:
        host = self.host.copy()
        term = host.to_polar(Predicate(name="allow", args=[actor, action, resource, context]))
        arguments = term["value"]["Call"]["args"]
        conversation = Conversation([_instance(arguments[index]) for index in (0, 2, 3)])
        query = self.ffi_polar.new_query_from_term(term, traced=traced)
        return SandboxedQuery(query, host, self._nil, conversation, now)


def _instance(term: dict[str, Any]) -> int:
    """Return the id under which Polar knows the object of a term; -1 for a term that is not an object."""
    return int(term["value"].get("ExternalInstance", {}).get("instance_id", -1))


def _side(term: dict[str, Any], value: Any) -> int | Const | None:
    """Return one side of a comparison: the id of an object, or a constant; None for what cannot be recorded."""
    if "ExternalInstance" in term["value"]:
        return _instance(term)
    return Const(value, type(value)) if isinstance(value, str | bool | int | float) else None


def _field(owner: object, field: str, now: float) -> Any:
    """Return the value of a declared field of a fact. Raises PolicyError."""
    if owner is None:
        raise PolicyError(f"A rule reads {field} of nil.")
    if not isinstance(owner, Fact):
        raise PolicyError(f"A rule reads {field} of something that is not a fact.")
    kind = type(owner).__name__
    is_open = type(owner) is Properties
    if field.startswith("_") or not (is_open or field in type(owner).FIELDS):
        raise PolicyError(f"A rule reads {kind}.{field}, which no policy may read.")
    try:
        value = read(owner, field, now)
    except Exception:  # noqa: BLE001  (oso would take an AttributeError for a silent deny)
        raise PolicyError(f"{kind}.{field} could not be read.") from None
    if not is_open and not _holds(value, type(owner).FIELDS[field]):
        raise PolicyError(f"{kind}.{field} is not of its declared type.")
    return value


def _holds(value: object, declared: str) -> bool:
    """Return whether `value` is of the declared type of a field; elements of a collection are checked when read."""
    if value is None:
        return declared.endswith("?")
    if declared.startswith("["):
        return isinstance(value, tuple)
    kind = declared.removesuffix("?")
    if kind in BUILT_IN_KINDS:
        return isinstance(value, BUILT_IN_KINDS[kind]) and isinstance(value, bool) == (kind == "Boolean")
    return isinstance(value, Fact) and any(base.__name__ == kind for base in type(value).__mro__)


class _Text(str):
    """A text that is opaque to Polar, so that each comparison comes back as a question.

    Polar takes every subclass of `str` for an unknown object. If it saw the value itself, each value would need a
    branch of its own in the recording, and there are as many names as there are people.
    """

    __slots__ = ()


class _Large(int):
    """A whole number that Polar cannot hold. It equals itself alone; to order it, or calculate with it, is an error."""

    __slots__ = ()


def _opaque(value: Any) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        return _Large(value)
    return _Text(value) if isinstance(value, str) else value


def _check_comparable(operator: str, left: object, right: object) -> None:
    """Raise PolicyError for values that cannot be compared.

    Values of two types are never equal, so `not` and `!=` would always hold, and a slip would grant access. But what
    callers send may be of any type, and one odd element of a list must not be an error for those whom another names.
    """
    if isinstance(left, str) and isinstance(right, str):
        return
    are_plain = isinstance(left, _PLAIN) and isinstance(right, _PLAIN)
    if operator == "==" and are_plain and not (isinstance(left, Array) and isinstance(right, Array)):
        return
    if operator not in ("==", "!="):
        raise PolicyError("A rule orders values that have no order.")
    if isinstance(left, tuple) or isinstance(right, tuple):
        raise PolicyError("A rule compares a collection, which is never equal to anything.")
    if not (isinstance(left, Fact) or isinstance(right, Fact)):
        raise PolicyError("A rule compares a text with something that is not a text.")
    if not (isinstance(left, Fact) and isinstance(right, Fact)):
        raise PolicyError("A rule compares a fact with something that is not a fact.")
    if not (isinstance(left, type(right)) or isinstance(right, type(left))):
        raise PolicyError(f"A rule compares {type(left).__name__} with {type(right).__name__}.")
