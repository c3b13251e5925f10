"""The guarded engine: one loaded policy, one question, and no trust in oso's defaults.

oso fails open in several places: a missing attribute is false and therefore true under `not`, a rule may call any
method of any object, a failed load leaves an empty rule base. Here only declared fields of facts answer, whatever
goes wrong is a `PolicyError` at any depth, and a policy is loaded into a new engine or not at all.
"""

# oso carries few types, and this is the one module that talks to it.
# mypy: disable-error-code="no-untyped-call"

import hashlib
import json
import os
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Self

from _polar_lib import lib  # type: ignore[import-not-found]
from oso import Oso
from polar import ffi
from polar.exceptions import OsoError, PolarTypeError, StackOverflowError, UnsupportedError
from polar.host import Host
from polar.predicate import Predicate
from polar.query import Query

from app.authz import polar_text
from app.authz.facts import KINDS, Context, Fact, read
from app.authz.recording import Conversation, Recording

TIMEOUT_MS = 1000
"""How long one decision may take; the usual one takes less than a millisecond."""

STEP_LIMIT = 50_000
"""How many questions Polar may put to us in one decision."""

BUILT_IN_KINDS: dict[str, type] = {"Boolean": bool, "Float": float, "Integer": int, "List": list, "String": str}
"""What a rule head may name beside the kinds of fact."""

# The core reads this whenever it starts a query; its own default is half a minute.
os.environ["POLAR_TIMEOUT_MS"] = str(TIMEOUT_MS)

_PLACE = re.compile(r"at line (\d+), column \d+ of file (.+?\.polar)")
_RUNTIME_SENTENCES: dict[type[Exception], str] = {
    PolarTypeError: "A rule uses a value as something that it is not.",
    StackOverflowError: "A rule calls itself without end.",
    UnsupportedError: "A rule compares or calculates with values that do not go together.",
}


class PolicyError(Exception):
    """Whatever goes wrong while a policy is loaded or asked.

    `sentence` carries nothing of the facts that were asked about, so it may be logged and shown; `file` and `line`
    are set where they are known.
    """

    def __init__(self, sentence: str, *, file: str | None = None, line: int | None = None) -> None:
        super().__init__(sentence if file is None else f"{file}:{line}: {sentence}")
        self.sentence = sentence
        self.file = file
        self.line = line


class GuardedQuery(Query):
    """One decision: answers Polar's questions about facts, and refuses every question that is not about a field.

    What was asked and answered is noted in `conversation`.
    """

    def __init__(self, ffi_query: ffi.Query, host: Host, conversation: Conversation) -> None:
        super().__init__(ffi_query, host=host)
        self.conversation = conversation

    def run(self) -> Generator[dict[str, Any], None, None]:
        """Yield one empty set of bindings for each way in which the question holds. Raises PolicyError."""
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
        """Answer one question of the core. Raises PolicyError for a kind of question that rules may not lead to."""
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
                raise PolicyError("A rule uses `new`; rules make no objects.")
            case "Debug":
                raise PolicyError("A rule uses debug(), which would stop the server.")
            case _:
                raise PolicyError("A rule asks for something that has no answer here.")

    def handle_external_call(self, data: dict[str, Any]) -> None:
        """Answer with a declared field of a fact."""
        owner, field = self.host.to_python(data["instance"]), data["attribute"]
        if data["args"] is not None or data["kwargs"] is not None:
            raise PolicyError(f"A rule calls the method {field}; rules read fields only.")
        value = _field(owner, field)
        term = self.host.to_polar(value)
        self.conversation.field(_instance(data["instance"]), field, value, _instance(term))
        self.ffi_query.call_result(data["call_id"], term)

    def handle_external_op(self, data: dict[str, Any]) -> None:
        """Answer whether two facts are the same."""
        left, right = (self.host.to_python(operand) for operand in data["args"])
        _check_comparable(left, right)
        match data["operator"]:
            case "Eq":
                answer = left == right
            case "Neq":
                answer = left != right
            case _:
                raise PolicyError("A rule orders facts; facts are only the same or not.")
        ids = [_instance(operand) for operand in data["args"]]
        self.conversation.same((ids[0], left), (ids[1], right), answer=left == right)
        self.ffi_query.question_result(data["call_id"], answer)

    def handle_next_external(self, data: dict[str, Any]) -> None:
        """Answer with the next element of a collection, or with nothing after the last."""
        call_id, owner = data["call_id"], _instance(data["iterable"])
        if call_id not in self.calls:
            collection = self.host.to_python(data["iterable"])
            if not isinstance(collection, tuple):
                raise PolicyError("A rule looks with `in` into something that is not a collection.")
            self.calls[call_id] = iter(collection)
        try:
            element = next(self.calls[call_id])
        except StopIteration:
            self.conversation.end(call_id, owner)
            self.ffi_query.call_result(call_id, None)
            return
        if not isinstance(element, Fact | str):
            raise PolicyError("A collection holds something that is neither a fact nor a text.")
        term = self.host.to_polar(_plain(element))
        self.conversation.element(call_id, owner, _plain(element), _instance(term))
        self.ffi_query.call_result(call_id, term)


class _QuietHost(Host):
    """Keeps the host's objects out of the core's messages."""

    def enrich_message(self, message: str) -> str:
        return message


class _QuietQuery(ffi.Query):
    """Keeps what `print` and tracing have to say, which is personal data, off the server's output."""

    def process_messages(self) -> None:
        for _message in ffi.process_messages(self.next_message):
            pass


class _QuietPolar(ffi.Polar):
    """The core, with its messages kept in `messages` instead of printed."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def process_messages(self) -> None:
        self.messages.extend(ffi.process_messages(self.next_message))

    def new_query_from_term(self, query_term: dict[str, Any]) -> _QuietQuery:
        pointer = lib.polar_new_query_from_term(self.ptr, ffi.ffi_serialize(query_term), 0)
        self.messages.clear()
        return _QuietQuery(self.check_result(pointer))


class GuardedOso(Oso):
    """An oso that knows facts alone, asks by `GuardedQuery`, and prints nothing."""

    ffi_polar: _QuietPolar

    # The parent would build a core that prints, and open types that no fact holds.
    def __init__(self) -> None:
        self.ffi_polar = _QuietPolar()
        self.host = _QuietHost(self.ffi_polar)
        self.ffi_polar.set_message_enricher(self.host.enrich_message)
        self.register_constant(None, name="nil")
        for name, kind in {**BUILT_IN_KINDS, **KINDS}.items():
            self.register_class(kind, name=name)

    def load(self, sources: Sequence[ffi.PolarSource]) -> list[PolicyError]:
        """Load all sources at once, and return what oso has against them: the error that stopped it, then warnings.

        Inline queries are refused, never run.
        """
        try:
            self._load_sources(list(sources))
        except PolicyError as error:
            errors = [error]
        except OsoError as error:
            errors = [_load_problem(str(error.message))]
        else:
            errors = []
        return errors + [_load_problem(message) for message in self.ffi_polar.messages]

    def check_inline_queries(self) -> None:
        """Raise PolicyError if the policy holds an inline query."""
        query = self.ffi_polar.next_inline_query()
        if query is not None:
            query.set_message_enricher(self.host.enrich_message)
            file, line = _place(query.source())
            raise PolicyError("Inline queries (?=) are not used here; write a decision table.", file=file, line=line)

    def ask(self, actor: Fact, action: str, resource: Fact, context: Fact) -> tuple[bool, Conversation]:
        """Ask the `allow` rules once, and return their answer with the conversation that led to it."""
        host = self.host.copy()
        term = host.to_polar(Predicate(name="allow", args=[actor, action, resource, context]))
        arguments = term["value"]["Call"]["args"]
        conversation = Conversation([_instance(arguments[index]) for index in (0, 2, 3)])
        query = GuardedQuery(self.ffi_polar.new_query_from_term(term), host, conversation)
        return any(True for _ in query.run()), conversation


class Engine:
    """One policy, loaded once and never changed; any number of threads may ask it.

    `digest` names the policy by its content; `permissions` holds what each resource block declares.
    """

    def __init__(self, oso: GuardedOso, digest: str, files: Sequence[polar_text.PolarFile]) -> None:
        self._oso = oso
        # oso raises about a rule base without any rule; a policy that says nothing allows nothing.
        self._is_empty = all(file.is_empty for file in files)
        self._recording = Recording()
        self.digest = digest
        self.permissions = {
            block.name: frozenset(permission.text for permission in block.permissions)
            for file in files
            for block in file.blocks
            if block.sort == "resource"
        }

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return a new engine with all `*.polar` files of `folder`. Raises PolicyError for an error or a warning."""
        sources = read_sources(folder)
        oso = GuardedOso()
        files = []
        for source in sources:
            try:
                files.append(polar_text.read(source.filename or "", source.src))
            except polar_text.UnreadableError as error:
                raise PolicyError(error.sentence, file=source.filename, line=error.line) from None
        if not all(file.is_empty for file in files):
            for problem in oso.load(sources):
                raise problem
        return cls(oso, digest(sources), files)

    def allows(self, actor: Fact, action: str, resource: Fact, context: Context) -> bool:
        """Return whether the policy's `allow` rules hold. Raises PolicyError for whatever goes wrong on the way.

        A decision like an earlier one is replayed; any other is Polar's, and kept if it came to its end.
        """
        if not isinstance(action, str):
            raise PolicyError("An action is a word.")
        if not (isinstance(actor, Fact) and isinstance(resource, Fact) and isinstance(context, Context)):
            raise PolicyError("A decision is about facts.")
        if self._is_empty:
            return False
        try:
            answer = self._recording.replay(actor, action, resource, context)
        except Exception:  # noqa: BLE001  (whatever a fact raises, Polar's own way of asking turns into a sentence)
            answer = None
        if answer is not None:
            return answer
        answer, conversation = self.ask_polar(actor, _plain(action), resource, context)
        if conversation.is_known:
            self._recording.add(actor, _plain(action), resource, context, conversation.path, allowed=answer)
        return answer

    def ask_polar(self, actor: Fact, action: str, resource: Fact, context: Context) -> tuple[bool, Conversation]:
        """Return what Polar itself says, and the conversation it had. Raises PolicyError; never replays."""
        try:
            return self._oso.ask(actor, action, resource, context)
        except PolicyError:
            raise
        except Exception as error:  # noqa: BLE001  (anything else would be somebody else's idea of an answer)
            # Without its cause: that carries what the facts say, and would be printed with the traceback.
            raise _runtime_problem(error) from None


def read_sources(folder: Path) -> list[ffi.PolarSource]:
    """Return the policy files of `folder`, in the order of their names. Raises PolicyError if one cannot be read."""
    if not folder.is_dir():
        raise PolicyError(f"There is no policy folder {folder.name}.")
    sources = []
    for path in sorted(folder.glob("*.polar")):
        try:
            sources.append(ffi.PolarSource(path.read_bytes().decode(), path.name))
        except (OSError, UnicodeDecodeError):
            raise PolicyError("The file cannot be read as text.", file=path.name, line=1) from None
    return sources


def digest(sources: Sequence[ffi.PolarSource]) -> str:
    """Return a short name for exactly these files with exactly this content."""
    content = json.dumps([[source.filename, source.src] for source in sources])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _instance(term: dict[str, Any]) -> int:
    """Return the id under which Polar knows the object of a term; -1 for a term that is no object."""
    return int(term["value"].get("ExternalInstance", {}).get("instance_id", -1))


def _field(owner: object, field: str) -> Any:
    """Return a declared field of a fact, as Polar may see it. Raises PolicyError."""
    if owner is None:
        raise PolicyError(f"A rule reads {field} of nil.")
    if not isinstance(owner, Fact):
        raise PolicyError(f"A rule reads {field} of something that is not a fact.")
    kind = type(owner).__name__
    if field.startswith("_") or field not in type(owner).FIELDS:
        raise PolicyError(f"A rule reads {kind}.{field}, which no policy may read.")
    try:
        value = read(owner, field)
    except Exception:  # noqa: BLE001  (oso takes an AttributeError for a silent no)
        raise PolicyError(f"{kind}.{field} could not be read.") from None
    if not _holds(value, type(owner).FIELDS[field]):
        raise PolicyError(f"{kind}.{field} does not hold what is declared for it.")
    return _plain(value)


def _holds(value: object, declared: str) -> bool:
    """Return whether `value` is of the declared kind of a field; the elements of a collection are looked at later."""
    if value is None:
        return declared.endswith("?")
    if declared.startswith("["):
        return isinstance(value, tuple)
    kind = declared.removesuffix("?")
    if kind in BUILT_IN_KINDS:
        return isinstance(value, BUILT_IN_KINDS[kind]) and isinstance(value, bool) == (kind == "Boolean")
    return isinstance(value, Fact) and any(base.__name__ == kind for base in type(value).__mro__)


def _plain(value: Any) -> Any:
    """Return a text as plain `str`: Polar takes every subclass, a StrEnum member too, for an unknown object."""
    return str.__str__(value) if isinstance(value, str) else value


def _check_comparable(left: object, right: object) -> None:
    """Raise PolicyError unless `left` and `right` are facts of one kind, or nil.

    Things of two kinds are never the same, so `not` and `!=` would always hold, and a slip would open a door.
    """
    if left is None or right is None:
        return
    if not (isinstance(left, Fact) and isinstance(right, Fact)):
        raise PolicyError("A rule compares a fact with something that is not a fact.")
    if not (isinstance(left, type(right)) or isinstance(right, type(left))):
        raise PolicyError(f"A rule compares {type(left).__name__} with {type(right).__name__}.")


def _place(message: str) -> tuple[str | None, int | None]:
    """Return the file and line that a message of the core ends at."""
    places = _PLACE.findall(message)
    return (places[-1][1], int(places[-1][0])) if places else (None, None)


def _load_problem(message: str) -> PolicyError:
    """Turn what oso says about a policy into ours: its first sentence, with no source excerpt and no links."""
    file, line = _place(message)
    paragraph = re.split(r" at line \d+, column |\n\n", message.removeprefix("[warning] "))[0]
    sentence = " ".join(re.sub(r"https?://\S+", "", paragraph).split()).removeprefix("Warning: ")
    return PolicyError(sentence[:1].upper() + sentence[1:].rstrip(".;") + ".", file=file, line=line)


def _runtime_problem(error: Exception) -> PolicyError:
    """Turn whatever was raised during a decision into a sentence that says nothing about the facts."""
    message = str(getattr(error, "message", ""))
    file, line = _place(message)
    if message.startswith("Query timeout"):
        sentence = "The rules take too long; one of them may call itself without end."
    elif "unhandled partial" in message.partition("\n")[0]:
        sentence = "A rule uses a variable that never gets a value."
    else:
        sentence = _RUNTIME_SENTENCES.get(type(error), "The rules could not be evaluated.")
    return PolicyError(sentence, file=file, line=line)
