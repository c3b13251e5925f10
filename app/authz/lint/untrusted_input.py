"""Lint: a rule must not be satisfied by missing or mistyped caller input.

The properties that a caller sends are untrusted. A missing one is nil, which equals only `nil`, and one of the wrong
type equals nothing, so `not` succeeds for both. `!=` succeeds for a wrong type too, and for a missing one it is an
error, which also denies what other rules allow. And Polar orders booleans like 1 and 0. Such a comparison needs a guard
before it that checks the type, such as `record.properties.state matches String`.

This is a taint analysis: taint spreads through variables, lists, and the arguments of rules in both directions. A rule
that depends on tainted terms must not be called under `not` or in the condition of a `forall`.

What is missing at run time the engine judges by itself, whatever is found here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from app.authz.engine.sandbox import BUILT_IN_KINDS
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.type_checker import EQUATIONS, ORDERS, infer_types, is_open, is_scope, type_of
from app.authz.polar.syntax import Node, PolarFile, Rule

_NONE: frozenset[str] = frozenset()


def check_untrusted_input(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Yield each condition that holds because caller input is missing or mistyped."""
    rules = [rule for file in files for rule in file.rules]
    returned = _returned_taint(rules)
    tainted_parameters = _tainted_parameters(rules, returned)
    analyses = [_RuleAnalysis(rule, tainted_parameters[rule.name], returned) for rule in rules]
    tainted_rules = _tainted_rules(analyses)
    for analysis in analyses:
        yield from analysis.findings(tainted_rules)


class _RuleAnalysis:
    """The taint within one rule.

    `tainted_parameters` are the positions of the parameters that may be tainted when it is called, and `returned` those
    at which other rules give a tainted value to a variable, by name of the rule.
    """

    def __init__(self, rule: Rule, tainted_parameters: set[int], returned: Mapping[str, set[int]]) -> None:
        self.rule = rule
        self._returned = returned
        self._types = infer_types(rule)
        self._tainted: set[str] = set()
        self._guarded: frozenset[str] = _NONE
        for position, parameter in enumerate(rule.parameters):
            if position in tainted_parameters and parameter.value.kind == "variable":
                self._tainted.add(parameter.value.text)
                if parameter.pattern is not None and parameter.pattern.text in BUILT_IN_KINDS:
                    self._guarded |= {parameter.value.text}
        self._spread_through_variables()

    @property
    def reads_untrusted_input(self) -> bool:
        """Whether the rule itself reads a tainted term."""
        terms = [parameter.value for parameter in self.rule.parameters]
        terms += [] if self.rule.body is None else [self.rule.body]
        return any(self.is_tainted(node) for term in terms for node in term.walk())

    def is_tainted(self, term: Node) -> bool:
        """Return whether a caller decides the value and the type of `term`."""
        if term.kind == "field":
            owner = term.parts[0]
            return is_open(owner, self._types) or self.is_tainted(owner) or type_of(term, self._types) == "Properties"
        if term.kind == "list":
            return any(map(self.is_tainted, term.parts))
        return term.kind == "variable" and term.text in self._tainted

    def findings(self, tainted_rules: set[str]) -> Iterator[Finding]:
        """Yield the findings of this rule, given the names of the rules that depend on untrusted input."""
        if self.rule.body is not None:
            yield from self._check(self.rule.body, tainted_rules, self._guarded, negated=False)

    @property
    def tainted_positions(self) -> set[int]:
        """The positions of the parameters that are tainted."""
        parameters = enumerate(self.rule.parameters)
        return {position for position, parameter in parameters if self.is_tainted(parameter.value)}

    def _spread_through_variables(self) -> None:
        nodes = [] if self.rule.body is None else list(self.rule.body.walk())
        self._tainted |= {
            node.parts[position].text
            for node in nodes
            if node.kind == "call"
            for position in self._returned.get(node.text, ())
            if position < len(node.parts) and node.parts[position].kind == "variable"
        }
        pairs = [node.parts for node in nodes if node.kind == "operation" and node.text in (*EQUATIONS, "in")]
        count = -1
        while count != len(self._tainted):
            count = len(self._tainted)
            for one, other in chain.from_iterable((parts, parts[::-1]) for parts in pairs):
                if one.kind == "variable" and one.text != "nil" and self.is_tainted(other):
                    self._tainted.add(one.text)

    def _check(
        self, node: Node, tainted_rules: set[str], guarded: frozenset[str], *, negated: bool
    ) -> Iterator[Finding]:
        if negated and node.kind == "call" and not is_scope(node):
            if node.text in tainted_rules or any(map(self.is_tainted, node.parts)):
                message = f"`{node}` depends on untrusted input, so its negation succeeds when the input is missing"
                yield Finding(
                    RuleId.NEGATED_INPUT,
                    *node.location,
                    f"{message}; state what must hold, without `not` or `forall`.",
                )
        elif node.kind == "operation":
            yield from self._check_comparison(node, guarded, negated=negated)
        for index, part in enumerate(node.parts):
            flips = is_scope(node) and index == 0
            yield from self._check(part, tainted_rules, guarded, negated=negated != flips)
            # Under a `not`, a type check that fails would make the condition succeed, so it guards nothing.
            if node.text in ("and", "forall") and node.kind in ("operation", "call") and not negated:
                guarded |= _guards(part)

    def _check_both_missing(self, node: Node, guarded: frozenset[str]) -> Iterator[Finding]:
        tainted = [part for part in node.parts if part.kind == "field" and self.is_tainted(part)]
        if len(tainted) == len(node.parts) and not guarded & {str(part) for part in tainted}:
            one, other = tainted
            message = f"`{one}` and `{other}` are untrusted input, and what is missing equals nothing"
            yield Finding(
                RuleId.BOTH_MISSING, *node.location, f"{message}; check a type first: `{one} matches String and ...`."
            )

    def _compared_fact(self, node: Node) -> str | None:
        """Return the type of the fact that a comparison compares with untrusted input, if it does."""
        for term, other in (node.parts, node.parts[::-1]):
            kind = (type_of(other, self._types) or "").removesuffix("?").strip("[]")
            if kind and kind not in (*BUILT_IN_KINDS, "nil") and self.is_tainted(term):
                return kind
        return None

    def _check_comparison(self, node: Node, guarded: frozenset[str], *, negated: bool) -> Iterator[Finding]:
        """Yield a finding if the comparison, or its negation, succeeds for missing or mistyped input."""
        if node.text in (*EQUATIONS, "!=", "in") and (fact := self._compared_fact(node)) is not None:
            message = f"`{node}` compares untrusted input with {fact}, which it never equals; compare with its id."
            yield Finding(RuleId.NEVER_EQUAL, *node.location, message)
            return
        if node.text in EQUATIONS and not negated:
            yield from self._check_both_missing(node, guarded)
            return
        if node.text not in ((*EQUATIONS, "in", "matches", *ORDERS) if negated else ("!=", *ORDERS)):
            return
        pairs = list(_compared_pairs(node))
        left, right = node.parts
        if node.text == "in" and right.kind != "list" and not self.is_tainted(right):
            pairs.append((left, right))
        for term, other in pairs:
            name = type_of(other, self._types)
            if self.is_tainted(term) and term.kind != "list" and name != "nil" and str(term) not in guarded:
                name = name if name in BUILT_IN_KINDS else "String"
                message = f"`{term}` is untrusted input: this succeeds or is an error when it is not of type {name}"
                yield Finding(
                    RuleId.UNGUARDED_INPUT,
                    *node.location,
                    f"{message}; check the type first: `{term} matches {name} and ...`.",
                )


def _compared_pairs(comparison: Node) -> Iterator[tuple[Node, Node]]:
    """Yield each term that is compared, with the term that it is compared with."""
    left, right = comparison.parts
    if comparison.text == "in":
        # To search a missing collection is an error, and an error denies.
        for part in right.parts if right.kind == "list" else ():
            yield left, part
            yield part, left
    else:
        yield left, right
        if comparison.text != "matches":
            yield right, left


def _guards(node: Node) -> frozenset[str]:
    """Return the terms whose type is certain wherever `node` holds."""
    if node.kind != "operation":
        return _NONE
    if node.text == "and":
        return _NONE.union(*map(_guards, node.parts))
    is_guard = node.text == "matches" and node.parts[1].text in BUILT_IN_KINDS
    return frozenset({str(node.parts[0])}) if is_guard else _NONE


def _returned_taint(rules: Sequence[Rule]) -> dict[str, set[int]]:
    """Return, for each name of a rule, the positions at which it gives a tainted value to a variable of its caller."""
    positions: dict[str, set[int]] = defaultdict(set)
    return _grown(positions, rules, lambda rule: [(rule.name, _RuleAnalysis(rule, set(), positions).tainted_positions)])


def _tainted_parameters(rules: Sequence[Rule], returned: Mapping[str, set[int]]) -> dict[str, set[int]]:
    """Return, for each name of a rule, the positions at which some call passes a tainted argument."""
    positions: dict[str, set[int]] = defaultdict(set)

    def passed(rule: Rule) -> Iterator[tuple[str, set[int]]]:
        analysis = _RuleAnalysis(rule, positions[rule.name], returned)
        for call in rule.calls:
            yield call.text, {position for position, part in enumerate(call.parts) if analysis.is_tainted(part)}

    return _grown(positions, rules, passed)


def _grown(
    positions: dict[str, set[int]],
    rules: Sequence[Rule],
    found_in: Callable[[Rule], Iterable[tuple[str, set[int]]]],
) -> dict[str, set[int]]:
    """Add to `positions` what is found in each rule, which depends on them, until nothing is added any more."""
    count = -1
    while count != sum(map(len, positions.values())):
        count = sum(map(len, positions.values()))
        for rule in rules:
            for name, found in found_in(rule):
                positions[name] |= found
    return positions


def _tainted_rules(analyses: Sequence[_RuleAnalysis]) -> set[str]:
    """Return the names of the rules that read untrusted input, or call a rule that does."""
    tainted = {analysis.rule.name for analysis in analyses if analysis.reads_untrusted_input}
    count = -1
    while count != len(tainted):
        count = len(tainted)
        tainted |= {one.rule.name for one in analyses if any(call.text in tainted for call in one.rule.calls)}
    return tainted
