"""Lint: conditions that say nothing, or less than their author may think.

They hold always or never, hold because there is nothing to check, or count what has ended. What is meant so can say so:
see `intentions`.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.type_checker import EQUATIONS, ORDERS, Types, infer_types, type_of
from app.authz.polar.syntax import Block, Node, PolarFile, Rule

_LITERALS = frozenset({"string", "integer", "float", "boolean"})
_GRANTS = frozenset({"has_permission", "has_role"})
_COUNTED = {"Membership": "state", "Grant": "in_force"}
"""What is in collections of facts though it may have ended, and the field that says so."""


def check_conditions(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Yield the findings of all rules, and each rule that says the same as an earlier one."""
    seen: dict[object, str] = {}
    for file in files:
        for rule in file.rules:
            yield from _check_rule(rule)
            key = (rule.name, *_shape(rule))
            if key in seen:
                message = f"The rule says the same as the one at {seen[key]}."
                yield Finding(RuleId.DUPLICATE_RULE, *rule.location, message)
            seen.setdefault(key, f"{rule.location.file}:{rule.location.line}")
        for block in file.blocks:
            yield from _check_duplicates(block)


def _check_rule(rule: Rule) -> Iterator[Finding]:
    if rule.body is None:
        patterns = [parameter.pattern for parameter in rule.parameters if parameter.pattern is not None]
        if rule.name in _GRANTS and not any(pattern.parts for pattern in patterns):
            given = str(rule.parameters[1].value) if rule.arity > 1 else rule.name
            message = f"Everybody gets {given}, because the rule has no condition; say so if that is meant."
            yield Finding(RuleId.UNCONDITIONAL_GRANT, *rule.location, message)
        return
    types = infer_types(rule)
    yield from _check_constants(rule.body)
    yield from _check_assignments(rule)
    yield from _check_counted(rule.body, types)
    yield from _check_forall(rule.body, ())


def _check_duplicates(block: Block) -> Iterator[Finding]:
    seen: set[object] = set()
    for shorthand in block.shorthands:
        key = (shorthand.granted, shorthand.source, shorthand.relation)
        if key in seen:
            message = f'The block says `"{shorthand.granted}" if "{shorthand.source}"` twice.'
            yield Finding(RuleId.DUPLICATE_RULE, *shorthand.location, message)
        seen.add(key)


def _check_constants(body: Node) -> Iterator[Finding]:
    for node in body.walk():
        if node.kind != "operation":
            continue
        if node.text in ("and", "or"):
            yield from _check_junction(node)
        elif len(node.parts) == 2 and _is_constant(node):
            message = f"`{node}` always says the same, whoever asks about what."
            yield Finding(RuleId.CONSTANT_CONDITION, *node.location, message)


def _is_constant(comparison: Node) -> bool:
    left, right = comparison.parts
    if comparison.text in (*EQUATIONS, "!=", *ORDERS, "in", "matches") and _is_literal(left):
        return _is_literal(right) or right.kind == "pattern"
    return comparison.text in ("=", "==", "!=", *ORDERS) and left.kind != "call" and str(left) == str(right)


def _is_literal(term: Node) -> bool:
    return term.kind in _LITERALS or (term.kind == "list" and all(map(_is_literal, term.parts)))


def _check_junction(junction: Node) -> Iterator[Finding]:
    """Yield two conditions of which never both hold, in an `and`, or always one does, in an `or`."""
    parts = list(_parts(junction, junction.text))
    for one, other in combinations(parts, 2):
        are_opposite = _opposite(one) == _plain(other)
        if junction.text == "and" and (are_opposite or _are_two_values(one, other)):
            message = f"`{one}` and `{other}` never hold together."
            yield Finding(RuleId.CONSTANT_CONDITION, *other.location, message)
        elif junction.text == "or" and are_opposite:
            message = f"One of `{one}` and `{other}` always holds."
            yield Finding(RuleId.CONSTANT_CONDITION, *other.location, message)


def _parts(node: Node, operator: str) -> Iterator[Node]:
    if node.kind == "operation" and node.text == operator:
        for part in node.parts:
            yield from _parts(part, operator)
    else:
        yield node


_Plain = tuple[bool, str]
"""Whether a condition is stated or denied, and what it is about."""


def _plain(condition: Node) -> _Plain:
    if condition.kind == "operation" and condition.text == "not":
        is_stated, text = _plain(condition.parts[0])
        return not is_stated, text
    if condition.kind == "operation" and condition.text in (*EQUATIONS, "!="):
        return condition.text != "!=", f"{condition.parts[0]} = {condition.parts[1]}"
    # Two calls, or two dictionaries, look alike in a message.
    return True, str(condition) if condition.kind == "operation" and len(condition.parts) == 2 else repr(condition)


def _opposite(condition: Node) -> _Plain:
    is_stated, text = _plain(condition)
    return not is_stated, text


def _are_two_values(one: Node, other: Node) -> bool:
    """Return whether two equations give one term two different values."""
    for condition in (one, other):
        if condition.kind != "operation" or condition.text not in EQUATIONS or not _is_literal(condition.parts[1]):
            return False
    is_one_term = one.parts[0].kind in ("field", "variable") and str(one.parts[0]) == str(other.parts[0])
    return is_one_term and str(one.parts[1]) != str(other.parts[1])


def _check_assignments(rule: Rule) -> Iterator[Finding]:
    """Yield each `:=` to a variable that has a value already, which is an error for everybody."""
    assert rule.body is not None
    has_value = {parameter.value.text for parameter in rule.parameters if parameter.value.kind == "variable"}
    for node in rule.body.walk():
        if node.kind == "operation" and node.text == ":=" and node.parts[0].kind == "variable":
            name = node.parts[0].text
            if name in has_value:
                message = f"`{name}` has a value already, and `:=` gives it another; compare with `=`."
                yield Finding(RuleId.REASSIGNED_VARIABLE, *node.location, message)
            has_value.add(name)


def _check_counted(body: Node, types: Types) -> Iterator[Finding]:
    """Yield each element of a collection whose rule does not ask whether it has ended."""
    nodes = list(body.walk())
    for node in nodes:
        if node.kind != "operation" or node.text != "in" or node.parts[0].kind != "variable":
            continue
        name, kind = node.parts[0].text, type_of(node.parts[0], types)
        field = _COUNTED.get(kind or "")
        if field is None or type_of(node.parts[1], types) != f"[{kind}]":
            continue
        is_asked = any(_asks(one, name, field) for one in nodes)
        is_passed = any(one.kind == "call" and name in map(str, one.parts) for one in nodes)
        if not (is_asked or is_passed):
            message = f"`{name}` may have ended or be suspended, and the rule never asks for `{name}.{field}`."
            yield Finding(RuleId.UNCHECKED_STATE, *node.location, message)


def _asks(node: Node, name: str, field: str) -> bool:
    """Return whether `node` reads a field of the variable `name`, or is a pattern for it with that field."""
    if node.kind == "field":
        return node.text == field and str(node.parts[0]) == name
    is_pattern = node.kind == "operation" and node.text == "matches" and str(node.parts[0]) == name
    return is_pattern and any(entry.text == field for entry in node.parts[1].parts)


def _check_forall(node: Node, required: tuple[str, ...]) -> Iterator[Finding]:
    """Yield each `forall` over a collection that nothing requires to have an element; `required` are those that do."""
    if node.kind == "operation" and node.text == "and":
        required += tuple(str(part.parts[1]) for part in node.parts if part.kind == "operation" and part.text == "in")
    if node.kind == "call" and node.text == "forall":
        for part in _parts(node.parts[0], "and"):
            if part.kind == "operation" and part.text == "in" and str(part.parts[1]) not in required:
                message = f"`forall` also holds when `{part.parts[1]}` is empty; require an element first."
                yield Finding(RuleId.VACUOUS_FORALL, *node.location, message)
                break
    for part in node.parts:
        yield from _check_forall(part, required)


def _shape(rule: Rule) -> tuple[object, ...]:
    """Return what a rule says, whatever its variables are called."""
    names: dict[str, str] = {}

    def of(node: Node | None) -> object:
        if node is None:
            return None
        is_name = node.kind in ("variable", "rest") and node.text != "nil"
        text = names.setdefault(node.text, str(len(names))) if is_name else node.text
        return node.kind, text, tuple(map(of, node.parts))

    return (*((of(one.value), of(one.pattern)) for one in rule.parameters), of(rule.body))
