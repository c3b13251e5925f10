"""What callers tell, and that no rule holds because of what they did not.

A property that nobody told is nil, and one of another kind than was meant is equal to nothing; so `!=` and `not` let
both through. Two that nobody told are equal, and Polar takes a truth for 1 or 0 where it asks which is less. Whoever
compares like that has to say in front which kind it is. It is followed through variables, lists and helper rules; a
helper that reads what callers tell stands under no `not` and in no condition of a `forall`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from app.authz.engine.sandbox import BUILT_IN_KINDS
from app.authz.lint.type_checker import (
    EQUATIONS,
    ORDERS,
    Kinds,
    Slip,
    infer_kinds,
    is_open,
    is_scope,
    kind_of,
    spell,
)
from app.authz.polar.parser import Node, PolarFile, Rule

_NONE: frozenset[str] = frozenset()


def check_told(files: Sequence[PolarFile]) -> Iterator[tuple[str, Slip]]:
    """Yield what lets through what nobody told, with the name of its file."""
    parameters = _told_parameters([rule for file in files for rule in file.rules])
    known = [(file.name, _Reader(rule, parameters[rule.name])) for file in files for rule in file.rules]
    reading = _reading_rules([reader for _file, reader in known])
    for file, reader in known:
        yield from ((file, slip) for slip in reader.slips(reading))


class _Reader:
    """Reads one rule, `told` being the places of the parameters in which it is given what callers tell."""

    def __init__(self, rule: Rule, told: set[int]) -> None:
        self.rule = rule
        self._kinds: Kinds = infer_kinds(rule)
        self._told: set[str] = set()
        self._asserted: frozenset[str] = _NONE
        for place, parameter in enumerate(rule.parameters):
            if place in told and parameter.value.kind == "variable":
                self._told.add(parameter.value.text)
                if parameter.pattern is not None and parameter.pattern.text in BUILT_IN_KINDS:
                    self._asserted |= {parameter.value.text}
        self._follow_variables()

    @property
    def calls(self) -> list[Node]:
        """What the rule asks of other rules."""
        return [] if self.rule.body is None else [node for node in self.rule.body.walk() if node.kind == "call"]

    @property
    def reads_told(self) -> bool:
        """Whether the rule itself looks at what callers tell."""
        terms = [parameter.value for parameter in self.rule.parameters]
        terms += [] if self.rule.body is None else [self.rule.body]
        return any(self.is_told(node) for term in terms for node in term.walk())

    def is_told(self, term: Node) -> bool:
        """Return whether a caller says what `term` is, and of which kind."""
        if term.kind == "field":
            owner = term.parts[0]
            return is_open(owner, self._kinds) or self.is_told(owner) or kind_of(term, self._kinds) == "Properties"
        if term.kind == "list":
            return any(map(self.is_told, term.parts))
        return term.kind == "variable" and term.text in self._told

    def slips(self, reading: set[str]) -> Iterator[Slip]:
        """Yield what is wrong; `reading` are the names of the rules that look at what callers tell."""
        if self.rule.body is not None:
            yield from self._walk(self.rule.body, reading, self._asserted, negated=False)

    def _follow_variables(self) -> None:
        nodes = [] if self.rule.body is None else list(self.rule.body.walk())
        pairs = [node.parts for node in nodes if node.kind == "operation" and node.text in (*EQUATIONS, "in")]
        found = -1
        while found != len(self._told):
            found = len(self._told)
            for one, other in chain.from_iterable((parts, parts[::-1]) for parts in pairs):
                if one.kind == "variable" and one.text != "nil" and self.is_told(other):
                    self._told.add(one.text)

    def _walk(self, node: Node, reading: set[str], asserted: frozenset[str], *, negated: bool) -> Iterator[Slip]:
        if not negated:
            # Under a `not` it would be one more way not to hold.
            asserted |= _asserted_by(node)
        if negated and node.kind == "call" and not is_scope(node):
            if node.text in reading or any(map(self.is_told, node.parts)):
                sentence = f"{spell(node)} looks at what callers tell, and where they tell nothing the `not` holds"
                yield Slip(node.line, f"{sentence}; say what must be, without `not` or `forall`.")
        elif node.kind == "operation":
            yield from self._compared(node, asserted, negated=negated)
        for index, part in enumerate(node.parts):
            turned = is_scope(node) and index == 0
            yield from self._walk(part, reading, asserted, negated=negated != turned)

    def _both_missing(self, node: Node, asserted: frozenset[str]) -> Iterator[Slip]:
        told = [part for part in node.parts if part.kind == "field" and self.is_told(part)]
        if len(told) == len(node.parts) and not asserted & {spell(part) for part in told}:
            one, other = map(spell, told)
            sentence = f"{one} and {other} may both be missing, and are equal then"
            yield Slip(node.line, f"{sentence}; write `{one} matches String and ...` in front.")

    def _compared(self, node: Node, asserted: frozenset[str], *, negated: bool) -> Iterator[Slip]:
        """Yield what is wrong with a comparison that lets through what nobody told, or what is of another kind."""
        if node.text in EQUATIONS and not negated:
            yield from self._both_missing(node, asserted)
            return
        if node.text not in ((*EQUATIONS, "in", "matches", *ORDERS) if negated else ("!=", *ORDERS)):
            return
        sides = list(_sides(node))
        left, right = node.parts
        if node.text == "in" and right.kind != "list" and not self.is_told(right):
            sides.append((left, right))
        for term, other in sides:
            kind = kind_of(other, self._kinds)
            if self.is_told(term) and term.kind != "list" and kind != "nil" and spell(term) not in asserted:
                kind = kind if kind in BUILT_IN_KINDS else "String"
                sentence = f"{spell(term)} may be missing or of another kind, and this lets it through"
                yield Slip(node.line, f"{sentence}; write `{spell(term)} matches {kind} and ...` in front.")


def _sides(comparison: Node) -> Iterator[tuple[Node, Node]]:
    """Yield what is compared, each with what it is compared with."""
    left, right = comparison.parts
    if comparison.text == "in":
        # To look into a collection that nobody told is an error, and so a no.
        for part in right.parts if right.kind == "list" else ():
            yield left, part
            yield part, left
    else:
        yield left, right
        if comparison.text != "matches":
            yield right, left


def _asserted_by(node: Node) -> frozenset[str]:
    """Return the terms whose kind is certain wherever `node` holds."""
    if node.kind != "operation":
        return _NONE
    if node.text == "and":
        return _NONE.union(*map(_asserted_by, node.parts))
    is_assertion = node.text == "matches" and node.parts[1].text in BUILT_IN_KINDS
    return frozenset({spell(node.parts[0])}) if is_assertion else _NONE


def _told_parameters(rules: Sequence[Rule]) -> dict[str, set[int]]:
    """Return in which places each rule is somewhere given what callers tell, by its name."""
    places: dict[str, set[int]] = defaultdict(set)
    found = -1
    while found != sum(map(len, places.values())):
        found = sum(map(len, places.values()))
        for rule in rules:
            reader = _Reader(rule, places[rule.name])
            for call in reader.calls:
                places[call.text] |= {place for place, part in enumerate(call.parts) if reader.is_told(part)}
    return places


def _reading_rules(readers: Sequence[_Reader]) -> set[str]:
    """Return the names of the rules that look at what callers tell, or ask one that does."""
    reading = {reader.rule.name for reader in readers if reader.reads_told}
    found = -1
    while found != len(reading):
        found = len(reading)
        reading |= {reader.rule.name for reader in readers if any(call.text in reading for call in reader.calls)}
    return reading
