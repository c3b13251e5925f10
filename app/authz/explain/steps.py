"""The paths of recorded decisions in words, for those who look a decision up: what was read, and what it said.

They name fields, and what the policy itself compares with; of people and things they say nothing else.
"""

from collections.abc import Sequence
from functools import lru_cache

from app.authz import decision_point
from app.authz.engine.engine import Engine
from app.authz.engine.tree import END, Const, Field, Key, Next, Operand, Path

Steps = Sequence[tuple[str, str]]
"""Questions and their answers, in the order in which they were asked."""

_ARGUMENTS = ("the actor", "the resource", "the request")
_ORDERS = {"==": "is", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least"}


def steps_of(policy: str, leaf: int) -> Steps | None:
    """Return what was asked and answered on the way to a leaf of the policy in force; None for one of another policy.

    Raises IndexError where there is no such leaf.
    """
    engine = decision_point.policy()
    return _steps_to(engine, leaf) if engine.digest == policy else None


def trace_of(decision: decision_point.Decision) -> int | Steps:
    """Return how `decision` came about as the decision log takes it: the number of its leaf, or what led there."""
    return steps(decision.path) if decision.leaf is None else decision.leaf


@lru_cache(maxsize=1000)
def _steps_to(engine: Engine, leaf: int) -> Steps:
    return steps(engine.path_of(leaf))


def steps(path: Path) -> Steps:
    """Return a path in words, without the questions whose answers only lead to others."""
    names = list(_ARGUMENTS)
    told: list[tuple[str, str]] = []
    for question, answer in path:
        if isinstance(question, Field):
            name, key = f"{_words(question.name)} of {names[question.slot]}", answer
        elif isinstance(question, Next):
            collection = names[question.slot]
            if answer == END:
                told.append((f"number of {collection}", str(question.position)))
                continue
            name, key = _element(collection, question.position), _element_key(answer)
        else:
            left, right = _operand(question.left, names), _operand(question.right, names)
            name, key = f"{left} {_ORDERS[question.operator]} {right}", answer
        if isinstance(key, type):
            # A fact, a collection or a text: what of it mattered is asked next.
            names.append(name)
        else:
            told.append((name, value_in_words(key)))
    return tuple(told)


def _words(field: str) -> str:
    return field.replace("_", " ")


def _element(collection: str, position: int) -> str:
    """Return the name of the element at a position: `membership 1 of the actor`."""
    kind, of, owner = collection.partition(" of ")
    return f"{kind.removesuffix('s')} {position + 1}{of}{owner}"


def _element_key(answer: Key) -> Key:
    assert isinstance(answer, tuple)
    return answer[1]


def _operand(operand: Operand, names: Sequence[str]) -> str:
    return value_in_words(operand.value) if isinstance(operand, Const) else names[operand]


def value_in_words(key: Key) -> str:
    """Return a value, or the key of one, as people read it."""
    if key is None:
        return "nothing"
    if isinstance(key, bool):
        return "yes" if key else "no"
    if isinstance(key, tuple):
        kind, value = key
        return str(float.fromhex(value) if kind is float else value)
    return f"“{key}”" if isinstance(key, str) else str(key)
