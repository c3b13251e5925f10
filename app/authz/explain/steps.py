"""The path of a recorded decision in words, for people who look a decision up: what was read, and its value.

The words name fields, and what the policy itself compares with; they say nothing else of people and resources.
"""

from collections.abc import Sequence
from functools import lru_cache

from app.audit.decision_codec import Steps
from app.authz import decision_point
from app.authz.engine.engine import Engine
from app.authz.engine.tree import END, Const, Field, Key, Next, Operand, Path

_ARGUMENTS = ("the actor", "the resource", "the request")
_STEPS_LIMIT = 200
"""How many steps the log keeps: a list of thousands that a client sends makes as many, and the last ones say little."""
_OPERATORS = {"==": "is", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least"}


def steps_of(policy: str, leaf: int) -> Steps | None:
    """Return the path to a leaf of the policy in force, in words; None if `policy` is the digest of another one.

    Raises IndexError where there is no such leaf.
    """
    engine = decision_point.policy()
    return _steps_to(engine, leaf) if engine.digest == policy else None


def trace_of(decision: decision_point.Decision) -> int | Steps:
    """Return how `decision` came about in the form that the decision log takes: the number of its leaf, or its path."""
    return steps(decision.path) if decision.leaf is None else decision.leaf


@lru_cache(maxsize=1000)
def _steps_to(engine: Engine, leaf: int) -> Steps:
    return steps(engine.path_of(leaf))


def steps(path: Path) -> Steps:
    """Return a path in words, without the questions whose answers only lead to others."""
    names = list(_ARGUMENTS)
    found: list[tuple[str, str]] = []
    for position, (question, answer) in enumerate(path):
        if len(found) == _STEPS_LIMIT:
            found.append(("questions that are not listed", str(len(path) - position)))
            break
        if isinstance(question, Field):
            name, key = f"{_words(question.name)} of {names[question.slot]}", answer
        elif isinstance(question, Next):
            collection = names[question.slot]
            if answer == END:
                found.append((f"number of {collection}", str(question.position)))
                continue
            name, key = _element(collection, question.position), _element_key(answer)
        else:
            left, right = _operand(question.left, names), _operand(question.right, names)
            name, key = f"{left} {_OPERATORS[question.operator]} {right}", answer
        if isinstance(key, type):
            # A fact, a collection or a text: the next questions ask what matters of it.
            names.append(name)
        else:
            found.append((name, value_in_words(key)))
    return tuple(found)


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
