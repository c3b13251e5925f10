"""Lint: type inference and type checks within one rule.

Polar has no types for variables, so they are inferred from the rule itself: from its head (`person: Person`), from
collections (`grant in membership.grants`), from equations (`home = membership.organisation`) and from `matches`.
Types are written as in `Fact.FIELDS`: `Person`, `Service?`, `[Grant]`. Where a type is unknown, a field must exist on
at least one fact.
"""

from collections.abc import Iterator, Mapping

from app.authz.engine.sandbox import RESERVED_NAMES
from app.authz.facts import KINDS, Record
from app.authz.lint.findings import Finding, RuleId
from app.authz.polar.syntax import Node, Rule

_LITERALS = {"string": "String", "integer": "Integer", "float": "Float", "boolean": "Boolean"}
EQUATIONS = frozenset({"=", "==", ":="})
_NUMBERS = frozenset({"Integer", "Float"})
ORDERS = frozenset({"<", "<=", ">", ">="})
_DIVISIONS = frozenset({"/", "mod", "rem"})
_DEBUGGING_CALLS = {
    "print": "`print(...)` writes personal data to the output of the server.",
    "debug": "`debug()` stops the server and waits for input.",
}
_ALL_FIELDS = {field for kind in KINDS.values() for field in kind.FIELDS}
_SCOPES = ("not", "forall")

Types = dict[str, str | None]
"""The type of each variable; None where it is not known, or where the rule contradicts itself."""


def check_rule(rule: Rule, fact_types: frozenset[str] = frozenset(KINDS)) -> list[Finding]:
    """Return the findings within `rule`, which may also be a `type` declaration.

    `fact_types` holds the names of all types of facts, including those that the policy itself declares.
    """
    names = fact_types | RESERVED_NAMES
    terms = [term for parameter in rule.parameters for term in (parameter.value, parameter.pattern) if term is not None]
    if rule.body is not None:
        terms.append(rule.body)
    types = infer_types(rule)
    findings = [finding for term in terms for node in term.walk() for finding in _check_node(node, types, names)]
    if rule.body is not None:
        bound = frozenset(node.text for parameter in rule.parameters for node in parameter.value.walk())
        bound |= names | {"nil"}
        # What a relation leads to is asked for: only the rule itself says it.
        asked_for = frozenset({str(rule.parameters[0].value)}) if rule.name == "has_relation" else frozenset()
        findings += _check_bound(rule.body, bound - asked_for)
        _check_order(rule.body, bound, _own_variables(rule.body), findings)
    return findings


def infer_types(rule: Rule) -> Types:
    """Return what is known about the type of each variable of `rule`."""
    declared: Types = {}
    for parameter in rule.parameters:
        if parameter.value.kind == "variable" and parameter.pattern is not None:
            declared[parameter.value.text] = _pattern_type(parameter.pattern)
    nodes = [] if rule.body is None else list(rule.body.walk())
    types = dict(declared)
    # An equation may come before the one that it depends on; each round settles at least one more variable.
    for _ in nodes:
        inferred = _infer_from_operations(nodes, types) | declared
        if inferred == types:
            break
        types = inferred
    return types


def type_of(term: Node, types: Types) -> str | None:
    """Return the type of `term` as in `Fact.FIELDS`, `nil` for nil, and None if it is not known."""
    if term.kind in _LITERALS:
        return _LITERALS[term.kind]
    if term.kind == "variable":
        return "nil" if term.text == "nil" else types.get(term.text)
    if term.kind == "list":
        elements = {type_of(part, types) for part in term.parts}
        return f"[{elements.pop()}]" if len(elements) == 1 and None not in elements else "[]"
    if term.kind == "field":
        return _field_type(type_of(term.parts[0], types), term.text)
    return None


def _field_type(owner: str | None, field: str) -> str | None:
    if owner is None:
        declared = {kind.FIELDS[field] for kind in KINDS.values() if field in kind.FIELDS}
        return declared.pop() if len(declared) == 1 else None
    return _fields_of(owner).get(field)


def _fields_of(name: str) -> Mapping[str, str]:
    """Return the fields of a type; those of every record if only the policy declares it."""
    name = name.removesuffix("?")
    return {} if name in RESERVED_NAMES or name.startswith("[") else KINDS.get(name, Record).FIELDS


def is_open(owner: Node, types: Types) -> bool:
    """Return whether `owner` may have fields of any name: properties, and the objects nested in them."""
    return type_of(owner, types) == "Properties" or (owner.kind == "field" and is_open(owner.parts[0], types))


def _pattern_type(pattern: Node) -> str | None:
    if pattern.kind in _LITERALS:
        return _LITERALS[pattern.kind]
    return None if pattern.text in ("Actor", "Resource") else pattern.text


def _infer_from_operations(nodes: list[Node], types: Types) -> Types:
    """Return what the operations of a body say about its variables, given the types inferred so far."""
    equated: Types = {}
    stated: Types = {}
    for node in nodes:
        if node.kind != "operation" or len(node.parts) != 2:
            continue
        left, right = node.parts
        if node.text in EQUATIONS:
            _add_type(equated, left, type_of(right, types))
            _add_type(equated, right, type_of(left, types))
        elif node.text == "in":
            _add_type(stated, left, _element_type(type_of(right, types)))
        elif node.text == "matches":
            _add_type(stated, left, _pattern_type(right))
    # An equation may itself be the mistake, so what `in` and `matches` state takes precedence.
    return equated | stated


def _add_type(types: Types, term: Node, name: str | None) -> None:
    if term.kind == "variable" and term.text != "nil" and name is not None and name != "nil":
        name = name.removesuffix("?")
        types[term.text] = name if types.get(term.text, name) == name else None


def _element_type(collection: str | None) -> str | None:
    if collection is None or not collection.startswith("["):
        return None
    return collection[1:-1] or None


def _check_node(node: Node, types: Types, names: frozenset[str]) -> Iterator[Finding]:
    """Yield the findings of one term, without those of its parts."""
    if message := _forbidden(node):
        yield Finding(RuleId.FORBIDDEN_EXPRESSION, *node.location, message)
        return
    match node.kind:
        case "field":
            yield from _check_field(node, types)
        case "cut":
            message = "`cut` hides the rules that follow it; write conditions that exclude each other instead."
            yield Finding(RuleId.CUT, *node.location, message)
        case "call" if node.text in _DEBUGGING_CALLS:
            yield Finding(RuleId.DEBUGGING_CALL, *node.location, _DEBUGGING_CALLS[node.text])
        case "pattern":
            yield from _check_pattern(node, names)
        case "variable" if node.text in names:
            message = f"`{node}` is a type and not a value; types follow a colon or `matches`."
            yield Finding(RuleId.TYPE_AS_VALUE, *node.location, message)
        case "operation":
            yield from _check_operation(node, types)


def _forbidden(node: Node) -> str:
    """Return why rules may not use this expression at all; nothing for one that they may use."""
    match node.kind:
        case "field" if node.text.startswith("_"):
            return f"`{node}` reads a private name, but rules may only read declared fields."
        case "method":
            return f"`{node}` calls a method, but rules may only read fields."
        case "lookup":
            return f"`{node}` reads a field by a computed name; write the name itself."
        case "new":
            return f"`new {node}` creates an object, but rules may only read facts."
        case "dictionary":
            return "A dictionary cannot be used here, because rules may only read fields of facts."
        case _:
            return ""


def _check_field(node: Node, types: Types) -> Iterator[Finding]:
    owner_term = node.parts[0]
    owner = type_of(owner_term, types)
    if is_open(owner_term, types):
        return
    if owner is None:
        message = "" if node.text in _ALL_FIELDS else f"No fact has a field `{node.text}`."
    elif owner.startswith("["):
        message = f"`{owner_term}` is a collection and has no fields; take its elements with `in`."
    elif not _fields_of(owner):
        message = f"`{owner_term}` is of type {owner}, which has no fields."
    else:
        message = "" if node.text in _fields_of(owner) else f"{owner.removesuffix('?')} has no field `{node.text}`."
    if message:
        yield Finding(RuleId.UNKNOWN_FIELD, *node.location, message)


def _check_pattern(node: Node, names: frozenset[str]) -> Iterator[Finding]:
    if node.text not in names:
        yield Finding(RuleId.UNKNOWN_TYPE, *node.location, f"There is no type `{node.text}`.")
    elif node.parts:
        fields = _fields_of(node.text)
        for entry in node.parts:
            if entry.text not in fields:
                message = f"{node.text} has no field `{entry.text}`."
                yield Finding(RuleId.UNKNOWN_FIELD, *entry.location, message)


def _check_operation(node: Node, types: Types) -> Iterator[Finding]:
    if len(node.parts) != 2 or node.text in ("and", "or", "matches"):
        return
    left, right = (type_of(part, types) for part in node.parts)
    if node.text == "in":
        if right is not None and not right.startswith("["):
            message = f"`{node.parts[1]}` is not a collection, so `in` cannot search it."
            yield Finding(RuleId.INVALID_OPERANDS, *node.location, message)
        elif not _comparable(left, _element_type(right)):
            message = f"`{node}` searches a collection of {_element_type(right)}, which never holds a {left}."
            yield Finding(RuleId.NEVER_EQUAL, *node.location, message)
    elif node.text in EQUATIONS or node.text == "!=":
        if "[" in f"{left}{right}":
            message = f"`{node}` compares a collection, which never equals anything; take its elements with `in`."
            yield Finding(RuleId.NEVER_EQUAL, *node.location, message)
        elif not _comparable(left, right):
            message = f"`{node}` compares {left} with {right}, which are never equal."
            yield Finding(RuleId.NEVER_EQUAL, *node.location, message)
    elif node.text in _DIVISIONS and not _is_number_but_zero(node.parts[1]):
        message = f"`{node}` may divide by zero, which is no error in Polar; divide by a number that is written here."
        yield Finding(RuleId.INVALID_OPERANDS, *node.location, message)
    elif not (node.text in ORDERS and {left, right} <= {None, "String"}) and not {left, right} <= {None, *_NUMBERS}:
        needed = "two numbers or two strings" if node.text in ORDERS else "two numbers"
        yield Finding(RuleId.INVALID_OPERANDS, *node.location, f"`{node}` needs {needed}.")


def _is_number_but_zero(term: Node) -> bool:
    return term.kind in ("integer", "float") and float(term.text) != 0


def _comparable(left: str | None, right: str | None) -> bool:
    if left is None or right is None or "nil" in (left, right):
        return True
    left, right = left.removesuffix("?"), right.removesuffix("?")
    return left == right or {left, right} <= _NUMBERS


def _check_bound(scope: Node, outer: frozenset[str]) -> Iterator[Finding]:
    """Yield each use of a variable that never gets a value in `scope`.

    Polar keeps what it cannot resolve as a constraint on the variable, and under `not` such a constraint decides alone.
    """
    inner = list(_own_nodes(scope))
    bound = outer | {name for node in inner for name in _binds(node)}
    for node in inner:
        for variable in _uses(node):
            if variable.text not in bound:
                message = f"The variable `{variable}` never gets a value."
                yield Finding(RuleId.UNBOUND_VARIABLE, *variable.location, message)
        if is_scope(node):
            for part in node.parts[:1] if node.text == "not" else (Node("list", "", node.location, node.parts),):
                yield from _check_bound(part, bound)


def is_scope(node: Node) -> bool:
    """Return whether `node` is a `not` or a `forall`, whose variables are not visible outside."""
    return node.kind in ("operation", "call") and node.text in _SCOPES


def _check_order(node: Node, bound: frozenset[str], outside: frozenset[str], findings: list[Finding]) -> frozenset[str]:
    """Return which variables have a value after `node`, where `bound` have one before it; add to `findings`.

    A variable is bound too late if it is used in a `not` or `forall`, also occurs `outside` of it, and gets its value
    there, after it. Polar does not wait for the value: `not` then fails for every value, and `forall` succeeds.
    """
    if is_scope(node):
        late = ({inner.text for inner in node.walk() if inner.kind == "variable"} & outside) - bound
        findings += [
            Finding(
                RuleId.LATE_BINDING,
                *node.location,
                f"`{name}` gets its value only after this `{node.text}`; put the condition that sets it first.",
            )
            for name in sorted(late)
        ]
        inner_bound = bound
        for part in node.parts:
            inner_bound = _check_order(part, inner_bound, outside.union(*map(_own_variables, node.parts)), findings)
        return bound
    if node.kind == "operation" and node.text == "or":
        return frozenset.intersection(*(_check_order(part, bound, outside, findings) for part in node.parts))
    if node.kind == "operation" and node.text == "and":
        for part in node.parts:
            bound = _check_order(part, bound, outside, findings)
        return bound
    return bound.union(*(_binds(inner) for inner in node.walk()))


def _own_variables(node: Node) -> frozenset[str]:
    return frozenset(inner.text for inner in _own_nodes(node) if inner.kind == "variable")


def _own_nodes(node: Node) -> Iterator[Node]:
    """Yield the terms of a scope, without those of the scopes nested in it."""
    yield node
    if not is_scope(node):
        for part in node.parts:
            yield from _own_nodes(part)


def _binds(node: Node) -> Iterator[str]:
    """Yield the variables that get a value where `node` holds."""
    parts: tuple[Node, ...] = ()
    if node.kind == "operation" and node.text in EQUATIONS:
        parts = node.parts
    elif node.kind == "operation" and node.text == "in":
        parts = node.parts[:1]
    elif node.kind == "call":
        parts = node.parts
    for part in parts:
        yield from (
            inner.text for inner in part.walk() if part.kind in ("variable", "list") and inner.kind == "variable"
        )


def _uses(node: Node) -> Iterator[Node]:
    """Yield the variables that must have a value for `node` to be evaluated."""
    parts: tuple[Node, ...] = ()
    if node.kind == "field":
        parts = node.parts
    elif node.kind == "operation" and node.text == "in":
        parts = node.parts[1:]
    elif node.kind == "operation" and node.text not in ("and", "or", "not", *EQUATIONS):
        parts = node.parts
    yield from (part for part in parts if part.kind == "variable")
