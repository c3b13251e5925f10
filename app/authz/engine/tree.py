"""Decision trees of recorded conversations: questions, the keys of their answers, and how a tree is walked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.authz.facts import Fact, read

END = "end"
"""The key of a `Next` question after the last element of a collection."""


class Const(NamedTuple):
    """A constant of the policy, with its type: `1`, `1.0` and `true` are different constants."""

    value: str | bool | float
    kind: type


class Field(NamedTuple):
    """Asks for a field of the fact in a slot."""

    slot: int
    name: str


class Compare(NamedTuple):
    """Asks how the values of two slots, or of a slot and a constant, compare.

    `operator` is `==`, `<`, `<=`, `>` or `>=`; `!=` is `==` with the opposite answer.
    """

    operator: str
    left: "Operand"
    right: "Operand"


class Next(NamedTuple):
    """Asks for the element at a position of the collection in a slot."""

    slot: int
    position: int


Operand = int | Const
Question = Field | Compare | Next

Key = object
"""What identifies a branch; always hashable."""

Path = Sequence[tuple[Question, Key]]
"""A conversation: each question with the key of its answer."""


class Leaf:
    """Where a conversation ends: what was decided, and the path that led to it.

    `number` is its index in the recording, and None for a leaf that was not recorded, which has a `path` of its own. A
    recorded one knows where it `grows`, so that paths of thousands of steps take no more room than the tree.
    `decision` is for the caller, who makes one object of each leaf: there are few leaves and many decisions.
    """

    __slots__ = ("_path", "allowed", "decision", "grows", "number")

    def __init__(self, number: int | None, path: Path = (), *, allowed: bool, grows: "Place | None" = None) -> None:
        self.number = number
        self._path = tuple(path)
        self.allowed = allowed
        self.grows = grows
        self.decision: Any = None

    @property
    def path(self) -> Path:
        """The questions and answers that lead here."""
        steps: list[tuple[Question, Key]] = []
        grows = self.grows
        while grows is not None:
            node, key = grows
            steps.append((node.question, key))
            grows = node.grows
        return tuple(reversed(steps)) if steps else self._path


class QuestionNode:
    """A question, and what follows each answer that was given so far: another question, or a decision."""

    __slots__ = ("branches", "grows", "question")

    def __init__(self, question: Question, grows: "Place | None" = None) -> None:
        self.question = question
        self.grows = grows
        self.branches: dict[Key, Tree] = {}


Tree = QuestionNode | Leaf

Place = tuple[QuestionNode, Key]
"""Where something grows: the node before it, and the answer that leads on."""


def is_slotted(answer: object) -> bool:
    """Return whether later questions can be about this answer, so that it takes the next slot."""
    return isinstance(answer, Fact | tuple | str)


def key_of(answer: object) -> Key:
    """Return everything that Polar can see in an answer: a number or boolean itself, of other values their type.

    A text is opaque to Polar: what it is compared with is a question of its own.
    """
    if answer is None or isinstance(answer, bool):
        return answer
    if isinstance(answer, str):
        return str
    if isinstance(answer, int):
        return (int, answer)
    if isinstance(answer, float):
        # Zero has two signs, which division makes visible.
        return (float, answer.hex())
    return type(answer)


def compare(operator: str, left: object, right: object) -> bool:
    """Return how two values compare, as Polar would ask it.

    Raises TypeError for values that have no order.
    """
    match operator:
        case "==":
            return left == right
        case "<":
            return bool(left < right)  # type: ignore[operator]  # raises, as promised
        case "<=":
            return bool(left <= right)  # type: ignore[operator]  # raises, as promised
        case ">":
            return bool(left > right)  # type: ignore[operator]  # raises, as promised
        case ">=":
            return bool(left >= right)  # type: ignore[operator]  # raises, as promised
    raise TypeError(operator)


def walk(tree: Tree | None, actor: Fact, resource: Fact, context: Fact, now: float) -> Leaf | None:
    """Return the leaf that the answers of these facts lead to, question by question; None where a branch is missing.

    `now` is in seconds since 1970. Raises whatever reading or comparing the facts raises.
    """
    values: list[object] = [actor, resource, context]
    while isinstance(tree, QuestionNode):
        question = tree.question
        key: Key
        if isinstance(question, Field):
            value = read(values[question.slot], question.name, now)
            key = key_of(value)
            if is_slotted(value):
                values.append(value)
        elif isinstance(question, Next):
            collection = values[question.slot]
            if not isinstance(collection, tuple):
                return None
            if question.position < len(collection):
                value = collection[question.position]
                key = ("element", key_of(value))
                if is_slotted(value):
                    values.append(value)
            else:
                key = END
        else:
            left, right = (
                side.value if isinstance(side, Const) else values[side] for side in (question.left, question.right)
            )
            key = compare(question.operator, left, right)
        tree = tree.branches.get(key)
    return tree
