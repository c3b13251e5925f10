"""Records the conversations between Polar and the facts as decision trees, and replays them.

Polar sees facts only through our answers to its questions, so with the same answers it comes to the same decision. A
conversation is therefore a path in a tree: the nodes are Polar's questions, the branches our answers, the leaves the
decisions. Reading live facts along a recorded path decides as Polar would, at a hundredth of the cost. An answer that
was never given before leads out of the tree, and Polar decides.

Why this is sound: a branch is keyed by everything that Polar could see in an answer (the class of a fact, that
something is a text or a collection, the value of a number or boolean); errors and unknown kinds of questions are never
recorded; a tree belongs to one policy and is discarded with it; the number of nodes is bounded.

Only three kinds of questions need a node. Polar also asks which class a fact is of, but the branches that led to the
fact have settled that. Questions whose answers follow from earlier ones are left out: Polar reads the same field once
for every rule.

This module records and walks trees; `codegen` turns trees that are walked often into Python.
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
    Path,
    Place,
    Question,
    QuestionNode,
    Tree,
    is_slotted,
    key_of,
    walk,
)
from app.authz.facts import Fact

NODE_LIMIT = 10_000
"""Nodes and leaves for each type of resource. Enough for every path of a policy that compares facts. A policy that
reads numbers into Polar must not fill memory, and its callers must leave room to others: a type that only a policy
declares belongs to one service."""

BRANCH_LIMIT = 64
"""Branches of one node. A question for an amount would otherwise use up the limit of nodes; and compiled code, which
tries one answer after the other, would be slower than Polar."""

COMPILE_AFTER = 100
"""After so many walks through what was added since a tree was compiled, it is compiled again."""

Root = tuple[str, type[Fact], type[Fact]]
"""Identifies a tree: the action, and the classes of actor and resource."""


class Conversation:
    """One decision while Polar makes it: which value is in which slot, and the path so far.

    `arguments` are the ids under which Polar knows actor, resource and context.
    """

    def __init__(self, arguments: Sequence[int]) -> None:
        self._slots = {instance: slot for slot, instance in enumerate(arguments)}
        self._next_slot = len(arguments)
        self._answered: dict[Question, int | None] = {}
        """Every question so far, with the slot of its answer."""
        self._settled: set[int] = set()
        """The slots whose values are known to equal a constant, which answers the question for all other constants."""
        self._positions: dict[int, int] = {}
        self.path: list[tuple[Question, Key]] = []
        self.is_known = True
        """False once Polar asked something that a replay could not ask."""

    def field(self, owner: int, name: str, answer: object, instance: int | None) -> None:
        """Record that field `name` of the fact that Polar knows as `owner` is `answer`, now known as `instance`."""
        slot = self.slot(owner)
        if slot is not None:
            self._record(Field(slot, name), key_of(answer), answer, instance)

    def compare(self, operator: str, left: int | Const | None, right: int | Const | None, *, answer: bool) -> None:
        """Record how two values compare: ids under which Polar knows them, or constants.

        None stands for a value that can be neither, such as a list in a rule.
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
        """Record the next element of an iteration (`call`) through a collection."""
        slot = self.slot(collection)
        position = self._positions.get(call, 0)
        self._positions[call] = position + 1
        if slot is not None:
            self._record(Next(slot, position), ("element", key_of(answer)), answer, instance)

    def end(self, call: int, collection: int) -> None:
        """Record that an iteration (`call`) through a collection came to its end."""
        slot = self.slot(collection)
        if slot is not None:
            self._record(Next(slot, self._positions.get(call, 0)), END, None, None)

    def _record(self, question: Question, key: Key, answer: object, instance: int | None) -> None:
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
        """Return the slot of a value; None for one that came from no answer, which ends the recording."""
        if instance not in self._slots:
            self.is_known = False
        return self._slots.get(instance)


class Recording:
    """The conversations of one policy."""

    def __init__(self, node_limit: int = NODE_LIMIT) -> None:
        self.leaves: list[Leaf] = []
        """Every decision with its path, by number."""
        self._roots: dict[Key, Tree] = {}
        self._replays: dict[Root, Replay] = {}
        self._walks: dict[Root, int] = {}
        self._lock = Lock()
        self._node_limit = node_limit
        self._nodes: Counter[type[Fact]] = Counter()
        """How many there are, by class of resource."""

    def replay(self, actor: Fact, action: str, resource: Fact, context: Fact, now: float) -> Leaf | None:
        """Return the leaf to which the recorded conversations lead with these facts; None if they lead to none.

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
        """Return what `replay` returns, question by question: the reference for compiled trees."""
        return walk(self._roots.get((action, actor.__class__, resource.__class__)), actor, resource, context, now)

    def add(self, actor: Fact, action: str, resource: Fact, path: Path, *, allowed: bool) -> Leaf | None:
        """Record a conversation that ended without an error, and return its leaf; None if it is not recorded."""
        with self._lock:
            branches, kind = self._roots, type(resource)
            key: Key = (action, type(actor), kind)
            grows: Place | None = None
            for question, next_key in path:
                node = branches.get(key)
                if node is None:
                    if not self._has_room(kind, branches):
                        return None
                    node = branches[key] = QuestionNode(question, grows)
                # Another question after the same answers would mean that Polar saw something that is not in the keys:
                # then nothing of this conversation can be trusted to repeat.
                if not isinstance(node, QuestionNode) or node.question != question:
                    return None
                branches, key, grows = node.branches, next_key, (node, next_key)
            leaf = branches.get(key)
            if leaf is None:
                if not self._has_room(kind, branches):
                    return None
                leaf = branches[key] = Leaf(len(self.leaves), allowed=allowed, grows=grows)
                self.leaves.append(leaf)
            return leaf if isinstance(leaf, Leaf) and leaf.allowed == allowed else None

    def _has_room(self, kind: type[Fact], branches: dict[Key, Tree]) -> bool:
        """Return whether one more node or leaf about a `kind` has room among `branches`, and count it."""
        is_full = branches is not self._roots and len(branches) >= BRANCH_LIMIT
        if is_full or self._nodes[kind] >= self._node_limit:
            return False
        self._nodes[kind] += 1
        return True

    def _count_walk(self, root: Root) -> None:
        """Compile the tree of `root` again once what was added since the last time is used often."""
        with self._lock:
            self._walks[root] = self._walks.get(root, 0) + 1
            if self._walks[root] % COMPILE_AFTER:
                return
            replay = compiled(self._roots[root], root[1], root[2])
            if replay is not None:
                self._replays[root] = replay
