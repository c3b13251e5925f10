"""Recorded decisions: the conversation between Polar and the facts, kept as a tree and replayed.

Polar sees facts only through our answers to its questions, so given the same answers it comes to the same end. A
conversation held once is therefore a path in a tree: the nodes are Polar's questions, the branches our answers, the
leaves the decisions. Reading live facts along a known path decides as Polar would, at a hundredth of the cost. An
answer that was never given before leads out of the tree, and Polar is asked.

What keeps it sound: a branch is keyed by everything that Polar could see in an answer (the value of a text or
truth, the kind of a fact, that a collection is one); errors and unknown kinds of question are never recorded; a tree
belongs to one policy and goes with it; the number of nodes is bounded.

Only three kinds of question need a node. What kind a fact is of, Polar asks too, but the branches that led to the
fact have settled it.
"""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from app.authz.facts import Fact

MOST_NODES = 100_000
"""Enough for every path of a policy that compares in facts; a policy that reads ids into Polar must not fill memory."""

END = "end"
"""The answer after the last element of a collection, as a branch of a `Next` question."""


class Field(NamedTuple):
    """Asks what a field of the value in a slot holds."""

    slot: int
    name: str


class Same(NamedTuple):
    """Asks whether the values in two slots are the same; None stands for nil."""

    left: int | None
    right: int | None


class Next(NamedTuple):
    """Asks which element of the collection in a slot stands at a position."""

    slot: int
    position: int


Question = Field | Same | Next

Key = object
"""What a branch hangs on; always something that can be hashed."""


class Node:
    """A question, and what follows upon each answer given so far: another question, or the decision."""

    __slots__ = ("branches", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.branches: dict[Key, Node | bool] = {}


Path = Sequence[tuple[Question, Key]]
"""A conversation: each question with the key of its answer."""


def key_of(answer: object) -> Key:
    """Return everything that Polar can see in an answer: a text as itself, others with their type."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Fact | tuple):
        return type(answer)
    return (type(answer), answer)


class Conversation:
    """One decision as it is being made by Polar: which value stands in which slot, and the path so far.

    `arguments` are the ids under which Polar knows actor, resource and context.
    """

    def __init__(self, arguments: Sequence[int]) -> None:
        self._slots = {instance: slot for slot, instance in enumerate(arguments)}
        self._positions: dict[int, int] = {}
        self.path: list[tuple[Question, Key]] = []
        self.is_known = True
        """False once something was asked that a replay could not ask again."""

    def field(self, owner: int, name: str, answer: object, instance: int | None) -> None:
        """Note that field `name` of the fact that Polar knows as `owner` held `answer`."""
        slot = self._slot(owner)
        if slot is not None:
            self._note(Field(slot, name), key_of(answer), answer, instance)

    def same(self, left: tuple[int, object], right: tuple[int, object], *, answer: bool) -> None:
        """Note whether two values, each with the id under which Polar knows it, were the same."""
        slots = [None if value is None else self._slot(instance) for instance, value in (left, right)]
        self.path.append((Same(*slots), answer))

    def element(self, call: int, collection: int, answer: object, instance: int | None) -> None:
        """Note the next element that the look through a collection (`call`) came to."""
        slot = self._slot(collection)
        position = self._positions.get(call, 0)
        self._positions[call] = position + 1
        if slot is not None:
            self._note(Next(slot, position), ("element", key_of(answer)), answer, instance)

    def end(self, call: int, collection: int) -> None:
        """Note that the look through a collection (`call`) came to its end."""
        slot = self._slot(collection)
        if slot is not None:
            self.path.append((Next(slot, self._positions.get(call, 0)), END))

    def _note(self, question: Question, key: Key, answer: object, instance: int | None) -> None:
        self.path.append((question, key))
        if isinstance(answer, Fact | tuple) and instance is not None:
            self._slots[instance] = len(self._slots)

    def _slot(self, instance: int) -> int | None:
        if instance not in self._slots:
            self.is_known = False
        return self._slots.get(instance)


class Recording:
    """The conversations that one policy has had."""

    def __init__(self, most_nodes: int = MOST_NODES) -> None:
        self._roots: dict[Key, Node | bool] = {}
        self._lock = Lock()
        self._free_nodes = most_nodes

    def replay(self, actor: Fact, action: str, resource: Fact, context: Fact) -> bool | None:
        """Return the decision that the recorded conversations lead to with these facts; None if they do not."""
        values: list[object] = [actor, resource, context]
        node = self._roots.get((action, type(actor), type(resource), type(context)))
        while isinstance(node, Node):
            question = node.question
            key: Key
            if isinstance(question, Field):
                value = getattr(values[question.slot], question.name)
                key = key_of(value)
                if isinstance(value, Fact | tuple):
                    values.append(value)
            elif isinstance(question, Next):
                collection = values[question.slot]
                if not isinstance(collection, tuple):
                    return None
                if question.position < len(collection):
                    value = collection[question.position]
                    key = ("element", key_of(value))
                    if isinstance(value, Fact | tuple):
                        values.append(value)
                else:
                    key = END
            else:
                left = None if question.left is None else values[question.left]
                right = None if question.right is None else values[question.right]
                key = left == right
            node = node.branches.get(key)
        return node

    def add(self, actor: Fact, action: str, resource: Fact, context: Fact, path: Path, *, allowed: bool) -> None:
        """Keep a conversation that came to its end without an error."""
        with self._lock:
            branches: dict[Key, Node | bool] = self._roots
            key: Key = (action, type(actor), type(resource), type(context))
            for question, next_key in path:
                node = branches.get(key)
                if node is None:
                    if self._free_nodes == 0:
                        return
                    self._free_nodes -= 1
                    node = branches[key] = Node(question)
                # Another question after the same answers would mean that Polar saw something that the keys do not
                # hold: then nothing of this conversation may be trusted to repeat.
                if not isinstance(node, Node) or node.question != question:
                    return
                branches, key = node.branches, next_key
            branches.setdefault(key, allowed)
