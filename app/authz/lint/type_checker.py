"""What is checked within one rule: every name exists, every path leads somewhere, and values that are compared fit.

Kinds are inferred from the rule itself: from the head (`person: Person`), from collections (`grant in
membership.grants`), from equations (`home = membership.organisation`) and from `matches`. They are written as in
`Fact.FIELDS`: `Person`, `Service?`, `[Grant]`. Where nothing is known, a field must exist on at least one fact.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.authz.engine.sandbox import BUILT_IN_KINDS
from app.authz.facts import KINDS, Record
from app.authz.polar.parser import Node, Rule

BUILT_IN_NAMES = frozenset(BUILT_IN_KINDS) | {"Actor", "Resource"}
"""What may stand behind a colon or `matches`, beside the kinds of fact."""

_LITERALS = {"string": "String", "integer": "Integer", "float": "Float", "boolean": "Boolean"}
EQUATIONS = frozenset({"=", "==", ":="})
_NUMBERS = frozenset({"Integer", "Float"})
ORDERS = frozenset({"<", "<=", ">", ">="})
_REFUSED = {
    "cut": "cut hides the rules after this one; write conditions that exclude each other.",
    "print": "print(...) writes what the facts say on the server's output.",
    "debug": "debug() would stop the server and wait for somebody to type.",
}
_ALL_FIELDS = {field for kind in KINDS.values() for field in kind.FIELDS}
_SCOPES = ("not", "forall")

Kinds = dict[str, str | None]


class Slip(NamedTuple):
    """Something wrong on one line of a rule."""

    line: int
    sentence: str


def check_rule(rule: Rule, fact_kinds: frozenset[str] = frozenset(KINDS)) -> list[Slip]:
    """Return everything that is wrong within `rule`, which may be a `type` declaration too.

    `fact_kinds` are the names of all kinds of fact, with those that the policy itself declares.
    """
    names = fact_kinds | BUILT_IN_NAMES
    terms = [term for parameter in rule.parameters for term in (parameter.value, parameter.pattern) if term is not None]
    if rule.body is not None:
        terms.append(rule.body)
    kinds = infer_kinds(rule)
    slips = [slip for term in terms for node in term.walk() for slip in _check_node(node, kinds, names)]
    if rule.body is not None:
        bound = {node.text for parameter in rule.parameters for node in parameter.value.walk()}
        slips += _check_bound(rule.body, frozenset(bound) | names | {"nil"})
        _note_order(rule.body, frozenset(bound) | names | {"nil"}, _own_variables(rule.body), slips)
        head = (rule.name, *(spell(parameter.value) for parameter in rule.parameters))
        slips += [
            Slip(node.line, f"{rule.name} asks itself the same again.")
            for node in rule.body.walk()
            if node.kind == "call" and (node.text, *map(spell, node.parts)) == head
        ]
    return slips


def infer_kinds(rule: Rule) -> Kinds:
    """Return what is known of each variable of `rule`; None where the rule says two things about one."""
    fixed: Kinds = {}
    for parameter in rule.parameters:
        if parameter.value.kind == "variable" and parameter.pattern is not None:
            fixed[parameter.value.text] = _pattern_kind(parameter.pattern)
    nodes = [] if rule.body is None else list(rule.body.walk())
    kinds = dict(fixed)
    # An equation may stand before the one that it needs; each round settles at least one more variable.
    for _ in nodes:
        found = _found_kinds(nodes, kinds) | fixed
        if found == kinds:
            break
        kinds = found
    return kinds


def kind_of(term: Node, kinds: Kinds) -> str | None:
    """Return the kind of what `term` stands for, as in `Fact.FIELDS`; `nil` for nil, None where nothing is known."""
    if term.kind in _LITERALS:
        return _LITERALS[term.kind]
    if term.kind == "variable":
        return "nil" if term.text == "nil" else kinds.get(term.text)
    if term.kind == "list":
        elements = {kind_of(part, kinds) for part in term.parts}
        return f"[{elements.pop()}]" if len(elements) == 1 and None not in elements else "[]"
    if term.kind == "field":
        return _field_kind(kind_of(term.parts[0], kinds), term.text)
    return None


def _field_kind(owner: str | None, field: str) -> str | None:
    if owner is None:
        declared = {kind.FIELDS[field] for kind in KINDS.values() if field in kind.FIELDS}
        return declared.pop() if len(declared) == 1 else None
    return _fields_of(owner).get(field)


def _fields_of(kind: str) -> Mapping[str, str]:
    """Return what a fact of `kind` declares; of a kind that only a policy knows, what every record has."""
    kind = kind.removesuffix("?")
    return {} if kind in BUILT_IN_NAMES or kind.startswith("[") else KINDS.get(kind, Record).FIELDS


def is_open(owner: Node, kinds: Kinds) -> bool:
    """Return whether `owner` may have fields of any name: properties, and what stands within them."""
    return kind_of(owner, kinds) == "Properties" or (owner.kind == "field" and is_open(owner.parts[0], kinds))


def _pattern_kind(pattern: Node) -> str | None:
    if pattern.kind in _LITERALS:
        return _LITERALS[pattern.kind]
    return None if pattern.text in ("Actor", "Resource") else pattern.text


def _found_kinds(nodes: list[Node], kinds: Kinds) -> Kinds:
    """Return what the operations of a body say about its variables, given what is known so far."""
    equated: Kinds = {}
    stated: Kinds = {}
    for node in nodes:
        if node.kind != "operation" or len(node.parts) != 2:
            continue
        left, right = node.parts
        if node.text in EQUATIONS:
            _note(equated, left, kind_of(right, kinds))
            _note(equated, right, kind_of(left, kinds))
        elif node.text == "in":
            _note(stated, left, _element_kind(kind_of(right, kinds)))
        elif node.text == "matches":
            _note(stated, left, _pattern_kind(right))
    # An equation may be the very slip that is looked for, so it gives way to what is stated outright.
    return equated | stated


def _note(found: Kinds, term: Node, kind: str | None) -> None:
    if term.kind == "variable" and term.text != "nil" and kind is not None and kind != "nil":
        kind = kind.removesuffix("?")
        found[term.text] = kind if found.get(term.text, kind) == kind else None


def _element_kind(collection: str | None) -> str | None:
    if collection is None or not collection.startswith("["):
        return None
    return collection[1:-1] or None


def _check_node(node: Node, kinds: Kinds, names: frozenset[str]) -> Iterator[Slip]:
    """Yield what is wrong with one term, its parts aside."""
    match node.kind:
        case "field":
            yield from _check_field(node, kinds)
        case "method":
            yield Slip(node.line, f"{spell(node)} calls a method; rules read fields only.")
        case "lookup":
            yield Slip(node.line, f"{spell(node)} reads a field by a computed name; write the name.")
        case "new":
            yield Slip(node.line, f"new {node.text}(...) makes an object; rules only look at facts.")
        case "dictionary":
            yield Slip(node.line, "A dictionary answers nothing here; rules read fields of facts.")
        case "call" | "cut" if node.text in _REFUSED:
            yield Slip(node.line, _REFUSED[node.text])
        case "pattern":
            yield from _check_pattern(node, names)
        case "variable" if node.text in names:
            yield Slip(node.line, f"{node.text} is a kind of thing, not a thing; write it behind a colon or `matches`.")
        case "operation":
            yield from _check_operation(node, kinds)


def _check_field(node: Node, kinds: Kinds) -> Iterator[Slip]:
    owner = kind_of(node.parts[0], kinds)
    if node.text.startswith("_"):
        yield Slip(node.line, f"{spell(node)}: names with a leading underscore are never open to rules.")
    elif is_open(node.parts[0], kinds):
        return
    elif owner is None:
        if node.text not in _ALL_FIELDS:
            yield Slip(node.line, f"{spell(node)}: no fact has a field {node.text}.")
    elif owner.startswith("["):
        yield Slip(node.line, f"{spell(node)}: a collection has no fields; take its elements with `in`.")
    elif not _fields_of(owner):
        yield Slip(node.line, f"{spell(node)}: {owner} has no fields.")
    elif node.text not in _fields_of(owner):
        yield Slip(node.line, f"{spell(node)}: {owner.removesuffix('?')} has no field {node.text}.")


def _check_pattern(node: Node, names: frozenset[str]) -> Iterator[Slip]:
    if node.text not in names:
        yield Slip(node.line, f"There is no kind of fact called {node.text}.")
    elif node.parts:
        fields = _fields_of(node.text)
        for entry in node.parts:
            if entry.text not in fields:
                yield Slip(entry.line, f"{node.text} has no field {entry.text}.")


def _check_operation(node: Node, kinds: Kinds) -> Iterator[Slip]:
    if len(node.parts) != 2 or node.text in ("and", "or", "matches"):
        return
    left, right = (kind_of(part, kinds) for part in node.parts)
    shown = f"{spell(node.parts[0])} {node.text} {spell(node.parts[1])}"
    if node.text == "in":
        if right is not None and not right.startswith("["):
            yield Slip(node.line, f"{shown}: {spell(node.parts[1])} is not a collection.")
        elif not _comparable(left, _element_kind(right)):
            yield Slip(node.line, f"{shown}: {left} is never in a collection of {_element_kind(right)}.")
    elif node.text in EQUATIONS or node.text == "!=":
        if "[" in f"{left}{right}":
            yield Slip(node.line, f"{shown}: a collection is never equal to anything; take its elements with `in`.")
        elif not _comparable(left, right):
            yield Slip(node.line, f"{shown}: {left} and {right} are never equal.")
    elif not (node.text in ORDERS and {left, right} <= {None, "String"}) and not {left, right} <= {None, *_NUMBERS}:
        yield Slip(node.line, f"{shown}: only numbers are calculated with, and only numbers and texts ordered.")


def _comparable(left: str | None, right: str | None) -> bool:
    if left is None or right is None or "nil" in (left, right):
        return True
    left, right = left.removesuffix("?"), right.removesuffix("?")
    return left == right or {left, right} <= _NUMBERS


def _check_bound(scope: Node, outer: frozenset[str]) -> Iterator[Slip]:
    """Yield each variable of `scope` that is looked at but never given a value.

    Polar keeps what it cannot resolve as a condition on the variable; under `not` such a condition decides by itself.
    """
    inner = list(_own_nodes(scope))
    bound = outer | {name for node in inner for name in _binds(node)}
    for node in inner:
        for variable in _looks_at(node):
            if variable.text not in bound:
                yield Slip(variable.line, f"{variable.text} is never given a value.")
        if is_scope(node):
            for part in node.parts[:1] if node.text == "not" else (Node("list", "", node.line, node.parts),):
                yield from _check_bound(part, bound)


def is_scope(node: Node) -> bool:
    """Return whether `node` is a `not` or a `forall`, which keep their variables to themselves."""
    return node.kind in ("operation", "call") and node.text in _SCOPES


def _note_order(node: Node, bound: frozenset[str], outside: frozenset[str], slips: list[Slip]) -> frozenset[str]:
    """Return which variables have a value once `node` holds, `bound` having one before it, and note what comes late.

    Late is a variable that also stands `outside` of a `not` or `forall` and gets its value only there, behind it. Polar
    does not wait for the value: `not` then holds for none, and `forall` for every one.
    """
    if is_scope(node):
        late = ({inner.text for inner in node.walk() if inner.kind == "variable"} & outside) - bound
        slips += [
            Slip(node.line, f"{name} is given a value only behind this {node.text}; write it in front.")
            for name in sorted(late)
        ]
        inner_bound = bound
        for part in node.parts:
            inner_bound = _note_order(part, inner_bound, outside.union(*map(_own_variables, node.parts)), slips)
        return bound
    if node.kind == "operation" and node.text == "or":
        return frozenset.intersection(*(_note_order(part, bound, outside, slips) for part in node.parts))
    if node.kind == "operation" and node.text == "and":
        for part in node.parts:
            bound = _note_order(part, bound, outside, slips)
        return bound
    return bound.union(*(_binds(inner) for inner in node.walk()))


def _own_variables(node: Node) -> frozenset[str]:
    return frozenset(inner.text for inner in _own_nodes(node) if inner.kind == "variable")


def _own_nodes(node: Node) -> Iterator[Node]:
    """Yield the terms of a scope without those of the scopes within it."""
    yield node
    if not is_scope(node):
        for part in node.parts:
            yield from _own_nodes(part)


def _binds(node: Node) -> Iterator[str]:
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


def _looks_at(node: Node) -> Iterator[Node]:
    parts: tuple[Node, ...] = ()
    if node.kind == "field":
        parts = node.parts
    elif node.kind == "operation" and node.text == "in":
        parts = node.parts[1:]
    elif node.kind == "operation" and node.text not in ("and", "or", "not", *EQUATIONS):
        parts = node.parts
    yield from (part for part in parts if part.kind == "variable")


def spell(term: Node) -> str:
    """Return `term` roughly as it stands in the policy."""
    match term.kind:
        case "string":
            return f'"{term.text}"'
        case "field":
            return f"{spell(term.parts[0])}.{term.text}"
        case "method":
            return f"{spell(term.parts[0])}.{term.text}(...)"
        case "lookup":
            return f"{spell(term.parts[0])}.({spell(term.parts[1])})"
        case "list":
            return f"[{', '.join(spell(part) for part in term.parts)}]"
        case "dictionary":
            return "{...}"
        case "call" | "new":
            return f"{term.text}(...)"
        case "operation" if len(term.parts) == 2:
            return f"{spell(term.parts[0])} {term.text} {spell(term.parts[1])}"
        case _:
            return term.text
