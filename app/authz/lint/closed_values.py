"""Lint: comparisons of a field, whose values are known, with a value that it never has.

Such a comparison never holds, and with `!=` or `not` it always does: it would let a suspended member through.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.type_checker import EQUATIONS, Types, infer_types, type_of
from app.authz.polar.syntax import Node, PolarFile, Rule
from app.vocabulary import (
    USER_MANAGEMENT,
    MembershipState,
    OrganisationState,
    PersonState,
    ServiceState,
    StaffRole,
)

Known = Callable[[str], bool]
"""Says whether a field can have a value."""

_STATES = {
    "Person": PersonState,
    "Organisation": OrganisationState,
    "Membership": MembershipState,
    "Service": ServiceState,
    "Client": ("active", "ended"),
}
_PORTAL = "portal:"
_ROLE_SLUG = re.compile(r"[a-z0-9-]+:[a-z0-9-]+")


def _is_role_slug(slug: str) -> bool:
    return slug == USER_MANAGEMENT if slug.startswith(_PORTAL) else _ROLE_SLUG.fullmatch(slug) is not None


_KNOWN: dict[tuple[str, str], Known] = {
    **{(kind, "state"): frozenset(map(str, states)).__contains__ for kind, states in _STATES.items()},
    ("Person", "staff_roles"): frozenset(map(str, StaffRole)).__contains__,
    ("Role", "slug"): _is_role_slug,
}
"""By type and field. Services are added to an installation, so of a role only the form is known, or that it is ours."""


def check_closed_values(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Yield each value that no such field has."""
    rules = [rule for file in files for rule in file.rules]
    passed = _passed_fields(rules)
    for rule in rules:
        yield from _ClosedValues(rule, passed[rule.name]).findings()


class _ClosedValues:
    """The fields with known values that the variables of one rule hold.

    `passed` are those that calls pass to its parameters, by position; None at a position that anything is passed to.
    """

    def __init__(self, rule: Rule, passed: Mapping[int, set[tuple[str, str] | None]]) -> None:
        self._rule = rule
        self._types: Types = infer_types(rule)
        self._held: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for position, parameter in enumerate(rule.parameters):
            fields = passed.get(position, set())
            if parameter.value.kind == "variable" and None not in fields:
                self._held[parameter.value.text] |= {field for field in fields if field is not None}
        nodes = [] if rule.body is None else list(rule.body.walk())
        equations = [node.parts for node in nodes if node.kind == "operation" and node.text in (*EQUATIONS, "in")]
        for _ in equations:
            for one, other in [pair for parts in equations for pair in (parts, parts[::-1])]:
                if one.kind == "variable" and other.kind in ("field", "variable"):
                    self._held[one.text] |= self.fields_of(other)

    def fields_of(self, term: Node) -> set[tuple[str, str]]:
        """Return the fields with known values that `term` may be."""
        if term.kind == "variable":
            return self._held.get(term.text, set())
        if term.kind != "field":
            return set()
        # Where the type of the owner is not known, it may be what a caller says, with values of all sorts.
        key = ((type_of(term.parts[0], self._types) or "").removesuffix("?"), term.text)
        return {key} & _KNOWN.keys()

    def findings(self) -> Iterator[Finding]:
        terms = [parameter.pattern for parameter in self._rule.parameters if parameter.pattern is not None]
        terms += [] if self._rule.body is None else [self._rule.body]
        for node in (node for term in terms for node in term.walk()):
            if node.kind == "pattern":
                for entry in node.parts:
                    yield from self._check({(node.text, entry.text)} & _KNOWN.keys(), entry.parts[0])
            elif node.kind == "operation" and len(node.parts) == 2 and node.text in (*EQUATIONS, "!=", "in", "matches"):
                for one, other in (node.parts, node.parts[::-1]):
                    yield from self._check(self.fields_of(one), other)

    def _check(self, fields: set[tuple[str, str]], value: Node) -> Iterator[Finding]:
        values = value.parts if value.kind == "list" else (value,)
        for literal in (part for part in values if part.kind == "string"):
            if fields and not any(_KNOWN[field](literal.text) for field in fields):
                shown = " or ".join(f"{kind}.{field}" for kind, field in sorted(fields))
                yield Finding(RuleId.UNKNOWN_VALUE, *literal.location, f'{shown} is never "{literal.text}".')


def _passed_fields(rules: Iterable[Rule]) -> dict[str, dict[int, set[tuple[str, str] | None]]]:
    """Return which fields with known values calls pass, by name of the rule called and position."""
    passed: dict[str, dict[int, set[tuple[str, str] | None]]] = defaultdict(lambda: defaultdict(set))
    for rule in rules:
        values = _ClosedValues(rule, {})
        for call in rule.calls:
            for position, part in enumerate(call.parts):
                passed[call.text][position] |= values.fields_of(part) or {None}
    return passed
