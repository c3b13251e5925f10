"""Generates Python from decision trees that are walked often.

The generated function asks the same questions in the same order as a walk and ends at the same leaf; where a branch is
missing it returns None. The code for the largest branch of each node stays at the same indentation, so that it nests
no deeper than the logarithm of the tree.

Nothing that a policy or a caller wrote becomes code: names are those of declared fields, which are identifiers, and
every constant is passed in under a name of our own.
"""

from collections.abc import Callable, Iterator
from typing import Any

from app.authz.engine.tree import (
    END,
    Compare,
    Const,
    Field,
    Key,
    Leaf,
    Next,
    Operand,
    Question,
    QuestionNode,
    Tree,
    compare,
    key_of,
)
from app.authz.facts import Context, Fact, Properties

Replay = Callable[[Fact, Fact, Fact, float], Leaf | None]
"""Takes actor, resource, context and the moment (in seconds since 1970), and returns the leaf that they lead to."""

NODE_LIMIT = 5_000
"""Larger trees are always walked: to compile them takes about 20 microseconds a node, and their paths are rare."""

_SIGNATURE = "def replay(s0, s1, s2, now):"


def compiled(tree: Tree, actor: type[Fact], resource: type[Fact]) -> Replay | None:
    """Return a function that finds the leaves of `tree`, for actors and resources of these classes.

    Returns None for a tree that is too large.
    """
    sizes = _sizes(tree)
    if len(sizes) > NODE_LIMIT:
        return None
    writer = _Writer(sizes)
    source = "\n".join([_SIGNATURE, *writer.lines(tree, [actor, resource, Context], "    ")])
    exec(compile(source, "<recorded decisions>", "exec"), writer.names)  # noqa: S102  (our own words only)
    replay: Replay = writer.names["replay"]
    return replay


def _sizes(tree: Tree) -> dict[int, int]:
    """Return the number of nodes of each subtree by its id. Without recursion: paths may be deeper than the stack."""
    order, waiting = [], [tree]
    while waiting:
        order.append(waiting.pop())
        waiting += _branches(order[-1])
    sizes: dict[int, int] = {}
    for subtree in reversed(order):
        sizes[id(subtree)] = 1 + sum(sizes[id(branch)] for branch in _branches(subtree))
    return sizes


def _branches(tree: Tree) -> list[Tree]:
    return list(tree.branches.values()) if isinstance(tree, QuestionNode) else []


class _Writer:
    """Writes the code of one tree; `names` are the globals of that code."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.names: dict[str, Any] = {"compare": compare, "key_of": key_of}
        self._sizes = sizes
        self._named: dict[object, str] = {}

    def lines(self, tree: Tree, kinds: list[type], indent: str) -> Iterator[str]:
        """Yield the code of `tree`; the values in the slots so far are of these `kinds`."""
        while isinstance(tree, QuestionNode):
            question = tree.question
            yield from (indent + line for line in self._ask(question, kinds))
            *smaller, (key, largest) = sorted(tree.branches.items(), key=lambda branch: self._sizes[id(branch[1])])
            for other_key, branch in smaller:
                yield f"{indent}if {self._test(question, other_key)}:"
                yield from self._take(other_key, len(kinds), indent + "    ")
                yield from self.lines(branch, [*kinds, *_kind_of(other_key)], indent + "    ")
            # A comparison has two answers, and where both are known there is no third.
            if not (isinstance(question, Compare) and smaller):
                yield f"{indent}if not ({self._test(question, key)}): return None"
            yield from self._take(key, len(kinds), indent)
            tree, kinds = largest, [*kinds, *_kind_of(key)]
        yield f"{indent}return {self._name(tree)}"

    def _ask(self, question: Question, kinds: list[type]) -> Iterator[str]:
        """Yield the code that assigns the answer to `v`, and to `found` whether there is an element."""
        match question:
            case Field(slot, name) if kinds[slot] is Properties:
                yield f"v = s{slot}.get({self._name(name)})"
            case Field(slot, name):
                kind = kinds[slot]
                yield f"v = s{slot}.{name}{'(now)' if issubclass(kind, Fact) and name in kind.TIMED else ''}"
            case Next(slot, position):
                yield f"found = len(s{slot}) > {position}"
                yield f"v = s{slot}[{position}] if found else None"
            case Compare(operator, left, right):
                yield f"v = {self._comparison(operator, left, right, kinds)}"

    def _comparison(self, operator: str, left: Operand, right: Operand, kinds: list[type]) -> str:
        written = [self._name(side.value) if isinstance(side, Const) else f"s{side}" for side in (left, right)]
        first, second = written
        compared = [side.kind if isinstance(side, Const) else kinds[side] for side in (left, right)]
        if compared == [str, str]:
            return f"{first} {operator} {second}"
        if operator == "==" and all(issubclass(kind, Fact) for kind in compared):
            # Most facts come from one cache: equal ones are the same object, and different ones differ in their hash.
            return f"{first} is {second} or ({first}._hash == {second}._hash and {first}._key == {second}._key)"
        return f"compare({operator!r}, {first}, {second})"

    def _test(self, question: Question, key: Key) -> str:
        """Return the condition under which the answer has `key`."""
        if isinstance(question, Compare):
            return "v" if key else "not v"
        if not isinstance(question, Next):
            return self._test_value(key)
        if key == END:
            return "not found"
        assert isinstance(key, tuple)
        return f"found and {self._test_value(key[1])}"

    def _test_value(self, key: Key) -> str:
        if key is None or key is True or key is False:
            return f"v is {key}"
        if isinstance(key, type):
            return f"v.__class__ is {self._name(key)}"
        return f"key_of(v) == {self._name(key)}"

    @staticmethod
    def _take(key: Key, slot: int, indent: str) -> Iterator[str]:
        if _kind_of(key):
            yield f"{indent}s{slot} = v"

    def _name(self, value: object) -> str:
        """Return the name of `value` in the code."""
        known = (type(value), value)
        if known not in self._named:
            self._named[known] = f"c{len(self._named)}"
            self.names[self._named[known]] = value
        return self._named[known]


def _kind_of(key: Key) -> list[type]:
    """Return the class of the value that takes a slot after an answer with `key`, if it takes one."""
    if isinstance(key, tuple) and key[0] == "element":
        key = key[1]
    return [key] if isinstance(key, type) else []
