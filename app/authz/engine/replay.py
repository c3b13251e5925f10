"""Recorded decisions: the conversation between Polar and the facts, kept as a tree and replayed.

Polar sees facts only through our answers to its questions, so given the same answers it comes to the same end. A
conversation held once is therefore a path in a tree: the nodes are Polar's questions, the branches our answers, the
leaves the decisions. Reading live facts along a known path decides as Polar would, at a hundredth of the cost. An
answer that was never given before leads out of the tree, and Polar is asked.

What keeps it sound: a branch is keyed by everything that Polar could see in an answer (the kind of a fact, that
something is a text or a collection, the value of a number or truth); errors and unknown kinds of question are never
recorded; a tree belongs to one policy and goes with it; the number of nodes is bounded.

Only three kinds of question need a node. What kind a fact is of, Polar asks too, but the branches that led to the
fact have settled it. And what the answers so far imply is left out: Polar reads the same field once for every rule.

This module walks the tree; `compiling` turns trees that are walked often into Python.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from app.authz.engine.codegen import Replay, compiled
from app.authz.engine.tree import (
    END,
    Compare,
    Const,
    Field,
    Key,
    Leaf,
    Next,
    Node,
    Path,
    Question,
    Tree,
    is_slotted,
    key_of,
    walk,
)
from app.authz.facts import Fact

MOST_NODES = 10_000
"""Questions and decisions about each kind of thing. Enough for every path of a policy that compares in facts; one that
reads numbers into Polar must not fill memory, and whoever asks about them must leave others room: a kind of thing that
we do not hold ourselves belongs to one service."""

MOST_ANSWERS = 64
"""How many different answers to one question are kept: one that reads amounts would otherwise fill all the room, and
compiled, which tries one answer after the other, it would be slower than Polar."""

COMPILE_AFTER = 100
"""Walks through what was added since a tree was compiled, until it is worth compiling anew."""

Root = tuple[str, type[Fact], type[Fact]]
"""Which tree: the action, and of which kinds actor and resource are."""


class Conversation:
    """One decision as it is being made by Polar: which value stands in which slot, and the path so far.

    `arguments` are the ids under which Polar knows actor, resource and context.
    """

    def __init__(self, arguments: Sequence[int]) -> None:
        self._slots = {instance: slot for slot, instance in enumerate(arguments)}
        self._next_slot = len(arguments)
        self._answered: dict[Question, int | None] = {}
        """Every question so far that need not be asked again, with the slot of its answer."""
        self._settled: set[int] = set()
        """The slots that are known to hold the same as a constant, which answers for all other constants."""
        self._positions: dict[int, int] = {}
        self.path: list[tuple[Question, Key]] = []
        self.is_known = True
        """False once something was asked that a replay could not ask again."""

    def field(self, owner: int, name: str, answer: object, instance: int | None) -> None:
        """Note that field `name` of the fact that Polar knows as `owner` held `answer`, now known as `instance`."""
        slot = self.slot(owner)
        if slot is not None:
            self._note(Field(slot, name), key_of(answer), answer, instance)

    def compare(self, operator: str, left: int | Const | None, right: int | Const | None, *, answer: bool) -> None:
        """Note how two values stand to each other: ids under which Polar knows them, or constants.

        None stands for what can be neither, such as a list in a rule.
        """
        first, second = (self.slot(side) if isinstance(side, int) else side for side in (left, right))
        if first is None or second is None:
            self.is_known = False
            return
        if first == second:
            return
        if operator == "==" and isinstance(second, int) and (not isinstance(first, int) or first > second):
            first, second = second, first
        question = Compare(operator, first, second)
        is_equation = operator == "==" and isinstance(first, int) and isinstance(second, Const)
        if question in self._answered or (is_equation and first in self._settled):
            return
        self._answered[question] = None
        self.path.append((question, answer))
        if is_equation and answer and isinstance(first, int):
            self._settled.add(first)

    def element(self, call: int, collection: int, answer: object, instance: int | None) -> None:
        """Note the next element that the look through a collection (`call`) came to."""
        slot = self.slot(collection)
        position = self._positions.get(call, 0)
        self._positions[call] = position + 1
        if slot is not None:
            self._note(Next(slot, position), ("element", key_of(answer)), answer, instance)

    def end(self, call: int, collection: int) -> None:
        """Note that the look through a collection (`call`) came to its end."""
        slot = self.slot(collection)
        if slot is not None:
            self._note(Next(slot, self._positions.get(call, 0)), END, None, None)

    def _note(self, question: Question, key: Key, answer: object, instance: int | None) -> None:
        if question not in self._answered:
            self.path.append((question, key))
            self._answered[question] = None
            if is_slotted(answer):
                self._answered[question] = self._next_slot
                self._next_slot += 1
        slot = self._answered[question]
        if slot is not None and instance is not None:
            self._slots[instance] = slot

    def slot(self, instance: int) -> int | None:
        """Return the slot of a value; None for one that no answer brought in, which ends the recording."""
        if instance not in self._slots:
            self.is_known = False
        return self._slots.get(instance)


class Recording:
    """The conversations that one policy has had."""

    def __init__(self, most_nodes: int = MOST_NODES) -> None:
        self.leaves: list[Leaf] = []
        """Every decision with its path, by number."""
        self._roots: dict[Key, Tree] = {}
        self._replays: dict[Root, Replay] = {}
        self._walks: dict[Root, int] = {}
        self._lock = Lock()
        self._most_nodes = most_nodes
        self._nodes: Counter[type[Fact]] = Counter()
        """How many there are, by kind of resource."""

    def replay(self, actor: Fact, action: str, resource: Fact, context: Fact, now: float) -> Leaf | None:
        """Return the decision that the recorded conversations lead to with these facts at `now`; None if they do not.

        `now` is in seconds since 1970.
        """
        root = (action, actor.__class__, resource.__class__)
        replay = self._replays.get(root)
        if replay is not None:
            leaf = replay(actor, resource, context, now)
            if leaf is not None:
                return leaf
        leaf = self.walk(actor, action, resource, context, now)
        if leaf is not None:
            self._count_walk(root)
        return leaf

    def walk(self, actor: Fact, action: str, resource: Fact, context: Fact, now: float) -> Leaf | None:
        """Return what `replay` returns, question by question: what compiled trees are compared with."""
        return walk(self._roots.get((action, actor.__class__, resource.__class__)), actor, resource, context, now)

    def add(self, actor: Fact, action: str, resource: Fact, path: Path, *, allowed: bool) -> Leaf | None:
        """Keep a conversation that came to its end without an error, and return its leaf; None if it is not kept."""
        with self._lock:
            branches, kind = self._roots, type(resource)
            key: Key = (action, type(actor), kind)
            for question, next_key in path:
                node = branches.get(key)
                if node is None:
                    if not self._has_room(kind, branches):
                        return None
                    node = branches[key] = Node(question)
                # Another question after the same answers would mean that Polar saw something that the keys do not
                # hold: then nothing of this conversation may be trusted to repeat.
                if not isinstance(node, Node) or node.question != question:
                    return None
                branches, key = node.branches, next_key
            leaf = branches.get(key)
            if leaf is None:
                if not self._has_room(kind, branches):
                    return None
                leaf = branches[key] = Leaf(len(self.leaves), path, allowed=allowed)
                self.leaves.append(leaf)
            return leaf if isinstance(leaf, Leaf) and leaf.allowed == allowed else None

    def _has_room(self, kind: type[Fact], branches: dict[Key, Tree]) -> bool:
        """Return whether one more node or leaf about a `kind` may be kept among `branches`, and take its room."""
        is_full = branches is not self._roots and len(branches) >= MOST_ANSWERS
        if is_full or self._nodes[kind] >= self._most_nodes:
            return False
        self._nodes[kind] += 1
        return True

    def _count_walk(self, root: Root) -> None:
        """Compile the tree of `root` once what has been added since the last time turns out to be used."""
        with self._lock:
            self._walks[root] = self._walks.get(root, 0) + 1
            if self._walks[root] % COMPILE_AFTER:
                return
            replay = compiled(self._roots[root], root[1], root[2])
            if replay is not None:
                self._replays[root] = replay
