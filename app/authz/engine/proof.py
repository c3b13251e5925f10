"""The proof of a decision: the rules that allowed it, and the fields that they read.

The traces of Polar do not contain line numbers. To explain an allow, it is decided again by the same policy with a
marker in each rule: a comparison of a string with itself, which always holds and identifies the rule.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from polar.ffi import PolarSource

from app.authz.engine.errors import PolicyError
from app.authz.engine.replay import Conversation
from app.authz.engine.sandbox import SandboxedOso
from app.authz.engine.source import PolicySource
from app.authz.engine.tree import Field, Next, Path, is_slotted
from app.authz.facts import Context, Fact, read
from app.authz.polar.syntax import Node, PolarFile, Rule
from app.authz.polar.trace import ReadStep, RuleStep


class RuleUsed(NamedTuple):
    """A rule that an allow went through, and where it is."""

    file: str
    line: int
    name: str


class Reading(NamedTuple):
    """A field that was read on the way to an answer.

    `chain` leads from actor, resource or context to the fact that owns the field; `path` says the same in words.
    """

    path: str
    chain: tuple[Fact, ...]
    field: str
    value: object

    @property
    def owner(self) -> Fact:
        """The fact whose field it is."""
        return self.chain[-1]


class Proof(NamedTuple):
    """The rules that an allow went through, from the outside in, and the readings that carried it."""

    rules: tuple[RuleUsed, ...]
    readings: tuple[Reading, ...]


class Prover:
    """Explains the allows of one policy. `new_oso` makes an empty oso that knows the policy's kinds."""

    def __init__(
        self,
        source: PolicySource,
        new_oso: Callable[[], SandboxedOso],
    ) -> None:
        self._places: dict[str, RuleUsed] = {}
        self._shorthands: dict[tuple[str, ...], RuleUsed] = {}
        self._scoped = _scoped_fields([rule for file in source.files for rule in file.rules])
        marked = [self._marked(text, file) for text, file in zip(source.texts, source.files, strict=True)]
        self._oso = new_oso()
        for problem in self._oso.load(marked):
            raise problem

    def prove(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Proof | None:
        """Return how the policy allows this at `now` (seconds since 1970); None if it does not. Raises PolicyError."""
        found = self._oso.prove(actor, str.__str__(action), resource, context, now)
        if found is None:
            return None
        steps, conversation = found
        rules = [self._place(step) for step in steps if isinstance(step, RuleStep)]
        read_steps = [step for step in steps if isinstance(step, ReadStep)]
        looked_at = readings(conversation.path, actor, resource, context, now)
        scoped = frozenset[str]().union(*(self._scoped.get(rule, ()) for rule in rules))
        return Proof(tuple(dict.fromkeys(rules)), _carrying(read_steps, conversation, looked_at, scoped))

    def _marked(self, source: PolarSource, file: PolarFile) -> PolarSource:
        text = source.src
        for block in file.blocks:
            for short in block.shorthands:
                # oso makes rules of them, which hold the same words.
                texts = (short.source,) if short.relation is None else (short.relation, short.source)
                self._shorthands[block.name, short.granted, *texts] = RuleUsed(
                    file.name, short.location.line, short.granted
                )
        for rule in reversed(file.rules):
            start, end = rule.body_span
            mark = f"rule {len(self._places)}"
            self._places[mark] = RuleUsed(file.name, rule.location.line, rule.name)
            condition = f'"{mark}" = "{mark}"'
            body = f" if {condition}" if rule.body is None else f" {condition} and ({text[start:end]}\n)"
            text = text[:start] + body + text[end:]
        return PolarSource(text, source.filename)

    def _place(self, step: RuleStep) -> RuleUsed:
        if step.texts[:1] and step.texts[0] in self._places and step.texts[:1] == step.texts[1:2]:
            return self._places[step.texts[0]]
        # The head of every rule made from a shorthand: name, actor, what is granted, and the type of resource.
        try:
            return self._shorthands[step.kinds[2], step.heads[1], *step.texts]
        except (IndexError, KeyError):
            raise PolicyError("A rule that was used is not in the policy's files.") from None


def readings(path: Path, actor: Fact, resource: Fact, context: Fact, now: float) -> list[tuple[int, Reading]]:
    """Return the fields that a conversation (`path`) read of these facts at `now`, each with the slot of its owner."""
    values: list[tuple[str, tuple[Fact, ...], object]] = [
        (name, (fact,), fact) for name, fact in (("actor", actor), ("resource", resource), ("context", context))
    ]
    found = []
    for question, _key in path:
        if isinstance(question, Field):
            name, chain, owner = values[question.slot]
            value = read(owner, question.name, now)
            name = f"{name}.{question.name}"
            found.append((question.slot, Reading(name, chain, question.name, value)))
        elif isinstance(question, Next):
            name, chain, collection = values[question.slot]
            if not isinstance(collection, tuple):
                break
            # After the last element there is nothing to read.
            value = next(islice(collection, question.position, None), None)
            name = f"{name}[{question.position}]"
        else:
            continue
        if is_slotted(value):
            values.append((name, (*chain, value) if isinstance(value, Fact) else chain, value))
    return found


def _carrying(
    steps: list[ReadStep], conversation: Conversation, looked_at: list[tuple[int, Reading]], scoped: frozenset[str]
) -> tuple[Reading, ...]:
    """Return those of the readings that the proof itself consists of, without what was looked at in vain.

    A trace says nothing of what was read under a `not` or a `forall`, which holds because of all that was read there:
    so every reading of the fields that stand there (`scoped`) is one that carries.
    """
    carried = {(conversation.slot(step.instance), step.field) for step in steps}
    return tuple(reading for slot, reading in looked_at if (slot, reading.field) in carried or reading.field in scoped)


def _scoped_fields(rules: Sequence[Rule]) -> dict[RuleUsed, frozenset[str]]:
    """Return the fields that each rule reads under a `not` or a `forall`, also through rules that it calls there."""
    by_name: dict[str, list[Node]] = defaultdict(list)
    for rule in rules:
        by_name[rule.name] += [] if rule.body is None else [rule.body]
    scoped = {}
    for rule in rules:
        nodes = [] if rule.body is None else list(rule.body.walk())
        terms = [node for node in nodes if node.kind in ("operation", "call") and node.text in ("not", "forall")]
        called: set[str] = set()
        fields: set[str] = set()
        while terms:
            for node in terms.pop().walk():
                if node.kind == "field":
                    fields.add(node.text)
                elif node.kind == "call" and node.text not in called:
                    called.add(node.text)
                    terms += by_name[node.text]
        if fields:
            scoped[RuleUsed(rule.location.file, rule.location.line, rule.name)] = frozenset(fields)
    return scoped
