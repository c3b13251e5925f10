"""Lint: rules that lead back to themselves about the same things, and so never end.

`"reader" if "editor"` and `"editor" if "reader"` are such a circle, and so are two helper rules that call each other
with the arguments that they got. What leads to something else, such as the folder of a document, may end.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.type_checker import infer_types
from app.authz.polar.syntax import Block, Location, Node, PolarFile, Rule


class _Call(NamedTuple):
    """A call about things that are known: texts, and parameters by name with their types."""

    name: str
    arguments: tuple[str, ...]


class _Step(NamedTuple):
    """A rule: what it is asked, what it then asks about the same things and where, and the types of these."""

    head: _Call
    asks: tuple[tuple[_Call, Location], ...]
    types: dict[str, str | None]


def check_recursion(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Yield each rule from which a chain of calls with the same arguments leads back to it."""
    steps = [step for file in files for rule in file.rules for step in _rule_steps(rule)]
    steps += [step for file in files for block in file.blocks for step in _shorthand_steps(block)]
    for step in steps:
        for call, location in step.asks:
            chain = _circle(step, call, steps)
            if chain:
                way = " and ".join(dict.fromkeys(map(_describe, chain)))
                message = f"{_describe(step.head)} asks {way}, which leads back to it (infinite recursion)."
                yield Finding(RuleId.INFINITE_RECURSION, *location, message)


def _circle(start: _Step, first: _Call, steps: Sequence[_Step]) -> list[_Call]:
    """Return the calls that lead from `first`, which `start` asks, back to `start`; none if nothing does."""
    seen: set[_Call] = set()
    waiting = [(first, [first])]
    while waiting:
        call, way = waiting.pop()
        if call in seen:
            continue
        seen.add(call)
        if call == start.head:
            return way
        for step in steps:
            names = _matched(step, call, start.types)
            if names is not None:
                waiting += [(asked, [*way, asked]) for asked in (_renamed(ask, names) for ask, _ in step.asks)]
    return []


def _matched(step: _Step, call: _Call, types: dict[str, str | None]) -> dict[str, str] | None:
    """Return what the parameters of `step` stand for if it is asked `call`; None if it cannot be."""
    if step.head.name != call.name or len(step.head.arguments) != len(call.arguments):
        return None
    names: dict[str, str] = {}
    for parameter, argument in zip(step.head.arguments, call.arguments, strict=True):
        if parameter.startswith('"'):
            if parameter != argument:
                return None
        elif names.setdefault(parameter, argument) != argument:
            return None
        else:
            wanted, given = step.types.get(parameter), types.get(argument)
            if None not in (wanted, given) and wanted != given:
                return None
    return names


def _renamed(call: _Call, names: dict[str, str]) -> _Call:
    return _Call(call.name, tuple(names.get(argument, argument) for argument in call.arguments))


def _rule_steps(rule: Rule) -> Iterator[_Step]:
    types = {f"{rule.location}{name}": kind for name, kind in infer_types(rule).items()}
    parameters = [_argument(parameter.value, rule) for parameter in rule.parameters]
    if None in parameters:
        return
    head = _Call(rule.name, tuple(filter(None, parameters)))
    asks = []
    for call in rule.calls:
        arguments = [_argument(part, rule) for part in call.parts]
        # A variable of the body is something else than what the rule was asked about.
        if all(one is not None and (one.startswith('"') or one in head.arguments) for one in arguments):
            asks.append((_Call(call.text, tuple(filter(None, arguments))), call.location))
    yield _Step(head, tuple(asks), types)


def _argument(term: Node, rule: Rule) -> str | None:
    if term.kind == "string":
        return f'"{term.text}"'
    return f"{rule.location}{term.text}" if term.kind == "variable" else None


def _shorthand_steps(block: Block) -> Iterator[_Step]:
    roles = {role.text for role in block.roles}
    actor, resource = "actor", f"{block.location}resource"

    def asked(name: str) -> _Call:
        return _Call("has_role" if name in roles else "has_permission", (actor, f'"{name}"', resource))

    for shorthand in block.shorthands:
        if shorthand.relation is None:
            types: dict[str, str | None] = {resource: block.name}
            yield _Step(asked(shorthand.granted), ((asked(shorthand.source), shorthand.location),), types)


def _describe(call: _Call) -> str:
    texts = [argument for argument in call.arguments if argument.startswith('"')]
    return " ".join([f"`{call.name}`", *texts])
