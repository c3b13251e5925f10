"""The linter: finds what oso would silently accept as something else than its author meant.

It reports all findings and not only the first, each with its place.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from app.authz.engine.engine import Engine, PolicyLoadError
from app.authz.engine.errors import PolicyError, PolicyWarningError
from app.authz.engine.sandbox import RESERVED_NAMES
from app.authz.engine.source import DuplicateFileError, PolicySource, UnreadableFileError
from app.authz.facts import KINDS
from app.authz.lint.closed_values import check_closed_values
from app.authz.lint.conditions import check_conditions
from app.authz.lint.findings import Finding, RuleId
from app.authz.lint.intentions import without_intended
from app.authz.lint.recursion import check_recursion
from app.authz.lint.type_checker import check_rule, infer_types, type_of
from app.authz.lint.untrusted_input import check_untrusted_input
from app.authz.polar.names import LONGEST_KIND, policy_name, wire_name
from app.authz.polar.parser import ParseError, TooComplexError
from app.authz.polar.syntax import Block, Location, Node, PolarFile, Rule
from app.vocabulary import PERMISSIONS

ENTRY_POINTS = {
    "allow": frozenset({4}),
    "has_permission": frozenset({3, 4}),
    "has_relation": frozenset({3}),
    "has_role": frozenset({3}),
}
"""The rules that are called from outside the policy, with the numbers of arguments that they may take."""

MAIN = "main.polar"
"""The file with the `allow` rules and the actor blocks; every other file of the base policy holds one resource."""

_BUILT_IN_CALLS = frozenset({"forall", "print", "debug"})
_GRANTS = {"has_permission": "permission", "has_role": "role", "has_relation": "relation"}
_SOURCE_RULES = {
    DuplicateFileError: RuleId.DUPLICATE_FILE,
    ParseError: RuleId.POLAR_SYNTAX,
    TooComplexError: RuleId.RULE_TOO_COMPLEX,
    UnreadableFileError: RuleId.UNREADABLE_FILE,
}


def lint(source: PolicySource) -> tuple[list[Finding], Engine | None]:
    """Return the findings in a policy, sorted by place, and its engine unless the policy cannot be loaded at all.

    How a policy is divided into files is checked for its base alone; packs may arrange theirs as they like.
    """
    findings = {Finding(_SOURCE_RULES[type(error)], *error.location, error.message) for error in source.errors}
    fact_types = frozenset(source.kinds)
    for file in source.files:
        findings.update(_check_file(file, fact_types))
    engine = None
    # Names that a file declares would be reported as missing if that file could not be parsed.
    if not source.errors:
        findings.update(_check_policy(source))
        try:
            engine = Engine(source)
        except PolicyLoadError as error:
            # The first error of oso is often a finding already, in other words.
            lines = {(finding.file, finding.line) for finding in findings}
            reported = (_engine_finding(problem) for problem in error.problems)
            findings.update(finding for finding in reported if (finding.file, finding.line) not in lines)
        findings.update(_check_meaning(source))
    left = without_intended(findings, source)
    return sorted(left, key=lambda finding: finding.sort_key), engine


def _engine_finding(problem: PolicyError) -> Finding:
    rule = RuleId.POLAR_WARNING if isinstance(problem, PolicyWarningError) else RuleId.POLAR_ERROR
    return Finding(rule, *(problem.location or Location(MAIN, 0, 0)), problem.sentence)


def _check_file(file: PolarFile, fact_types: frozenset[str]) -> Iterator[Finding]:
    for location in file.inline_queries:
        message = "Inline queries (`?=`) are not allowed; write a decision table instead."
        yield Finding(RuleId.INLINE_QUERY, *location, message)
    for rule in (*file.rules, *file.types):
        yield from check_rule(rule, fact_types)


def _check_policy(source: PolicySource) -> Iterator[Finding]:
    files = source.files
    yield from _check_blocks(files, source.base)
    yield from _check_vocabulary(files)
    yield from _check_calls(files)
    yield from _check_allow_rules(files)
    yield from _check_packs(files, source.base)
    yield from _check_granted(files)
    yield from check_untrusted_input(files)
    declared = _DeclaredNames([block for file in files for block in file.blocks if block.kind == "resource"])
    for file in files:
        for rule in file.rules:
            yield from declared.check_rule(rule)
        for block in file.blocks:
            yield from declared.check_shorthands(block)


def _check_meaning(source: PolicySource) -> Iterator[Finding]:
    """Yield what may be loaded and evaluated, and is still hardly what its author means."""
    yield from _check_trust(file for file in source.files if file.name in source.base)
    yield from check_closed_values(source.files)
    yield from check_conditions(source.files)
    yield from check_recursion(source.files)
    yield from _check_roles(source.files)


class _DeclaredNames:
    """The permissions, roles and relations that resource blocks declare."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.names: dict[str, dict[str, set[str]]] = {"permission": {}, "role": {}, "relation": {}}
        self.relation_types: dict[tuple[str, str], str] = {}
        for block in blocks:
            for sort, nodes in _declared(block):
                self.names[sort].setdefault(block.name, set()).update(node.text for node in nodes)
            for entry in block.relations:
                self.relation_types[block.name, entry.text] = entry.parts[0].text

    def has(self, sort: str, name: str, owner: str | None) -> bool:
        """Return whether the block `owner`, or any block if that is None, declares `name`."""
        if owner is None:
            return any(name in names for names in self.names[sort].values())
        return name in self.names[sort].get(owner.removesuffix("?"), set())

    def check_rule(self, rule: Rule) -> Iterator[Finding]:
        """Yield each name in the head and the body of `rule` that the block of its resource does not declare."""
        types = infer_types(rule)
        uses = [(rule.name, [parameter.value for parameter in rule.parameters])]
        uses += [(call.text, list(call.parts)) for call in rule.calls]
        for rule_name, terms in uses:
            if rule_name in _GRANTS and len(terms) >= 3 and terms[1].kind == "string":
                owner, sort, name = type_of(terms[2], types), _GRANTS[rule_name], terms[1].text
                if not self.has(sort, name, owner):
                    shown = "No resource block" if owner is None else owner.removesuffix("?")
                    yield _undeclared(terms[1].location, shown, sort, name)

    def check_shorthands(self, block: Block) -> Iterator[Finding]:
        """Yield each name in the shorthand rules of `block` that no block declares."""
        for rule in block.shorthands:
            if not (self.has("permission", rule.granted, block.name) or self.has("role", rule.granted, block.name)):
                yield _undeclared(rule.location, block.name, "permission or role", rule.granted)
            if rule.relation is not None and not self.has("relation", rule.relation, block.name):
                yield _undeclared(rule.location, block.name, "relation", rule.relation)
                continue
            owner = block.name if rule.relation is None else self.relation_types[block.name, rule.relation]
            if not (self.has("role", rule.source, owner) or self.has("permission", rule.source, owner)):
                yield _undeclared(rule.location, owner, "role", rule.source)


def _undeclared(location: Location, owner: str, sort: str, name: str) -> Finding:
    return Finding(RuleId.UNDECLARED_NAME, *location, f'{owner} declares no {sort} "{name}".')


def _declared(block: Block) -> tuple[tuple[str, tuple[Node, ...]], ...]:
    return ("permission", block.permissions), ("role", block.roles), ("relation", block.relations)


def _check_blocks(files: Sequence[PolarFile], base: frozenset[str]) -> Iterator[Finding]:
    """Check that each block is declared once and has a valid name, and that it is in its file."""
    declared_in: dict[tuple[str, str], str] = {}
    for file in files:
        for block in file.blocks:
            key = block.kind, block.name
            if key in declared_in:
                message = f"The {block.kind} block `{block.name}` is already declared in {declared_in[key]}."
                yield Finding(RuleId.DUPLICATE_BLOCK, *block.location, message)
            declared_in.setdefault(key, file.name)
            yield from _check_block_name(block)
            yield from _check_block_file(block, is_base=file.name in base)
        count = sum(block.kind == "resource" for block in file.blocks)
        if file.name in base and file.name != MAIN and count != 1:
            message = f"The file must declare exactly one resource block, but it declares {count or 'none'}."
            yield Finding(RuleId.ONE_BLOCK_PER_FILE, file.name, 0, 0, message)


def _check_block_name(block: Block) -> Iterator[Finding]:
    if block.name in RESERVED_NAMES:
        message = f"`{block.name}` is a type of Polar itself; choose another name."
        yield Finding(RuleId.INVALID_BLOCK_NAME, *block.location, message)
    # Messages could not name it, or would confuse it with another.
    if policy_name(wire_name(block.name)) != block.name or len(wire_name(block.name)) > LONGEST_KIND:
        message = f"Write the name of a type like MarkScheme, in at most {LONGEST_KIND} characters."
        yield Finding(RuleId.INVALID_BLOCK_NAME, *block.location, message)


def _check_block_file(block: Block, *, is_base: bool) -> Iterator[Finding]:
    file, expected = block.location.file, file_name(block.name)
    is_of_pack = not is_base and block.name not in KINDS
    if block.kind == "actor" and file != MAIN and not is_of_pack:
        message = f"The actor block `{block.name}` must be declared in {MAIN}; a pack declares types of its own."
        yield Finding(RuleId.MISPLACED_BLOCK, *block.location, message)
    if block.kind == "resource" and (file == MAIN or (is_base and file != expected)):
        message = f"The resource block `{block.name}` must be declared in {expected}."
        yield Finding(RuleId.MISPLACED_BLOCK, *block.location, message)


def file_name(kind: str) -> str:
    """Return the name of the file with the block of a type: `mark_scheme.polar` for `MarkScheme`."""
    return f"{wire_name(kind)}.polar"


def _check_vocabulary(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Check that the blocks declare exactly the permissions that the application asks for."""
    blocks = {block.name: block for file in files for block in file.blocks if block.kind == "resource"}
    for kind in sorted(PERMISSIONS.keys() - blocks.keys()):
        message = f"The application asks about the type {kind}, but no resource block declares it."
        yield Finding(RuleId.MISSING_DECLARATION, file_name(kind), 0, 0, message)
    for kind, block in blocks.items():
        # The application does not know the types that only a pack declares; its callers name their permissions.
        if kind not in PERMISSIONS:
            if kind in KINDS:
                message = f"The application never asks about the type {kind}."
                yield Finding(RuleId.UNUSED_DECLARATION, *block.location, message)
            continue
        declared = {permission.text: permission.location for permission in block.permissions}
        for missing in sorted(PERMISSIONS[kind] - declared.keys()):
            message = f'The application asks for the permission "{missing}" of {kind}, which is not declared.'
            yield Finding(RuleId.MISSING_DECLARATION, *block.location, message)
        for unused in sorted(declared.keys() - PERMISSIONS[kind]):
            message = f'The application never asks for the permission "{unused}" of {kind}.'
            yield Finding(RuleId.UNUSED_DECLARATION, *declared[unused], message)


def _check_calls(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Check that every rule is called, every call has a rule, and the numbers of their arguments agree."""
    rules = [rule for file in files for rule in file.rules]
    calls = [(rule, call) for rule in rules for call in rule.calls if call.text not in _BUILT_IN_CALLS]
    arities: dict[str, set[int]] = defaultdict(set)
    for rule in rules:
        arities[rule.name].add(rule.arity)
    for rule in rules:
        if rule.name in ENTRY_POINTS:
            if rule.arity not in ENTRY_POINTS[rule.name]:
                message = f"`{rule.name}` takes {_numbers(ENTRY_POINTS[rule.name])} arguments, not {rule.arity}."
                yield Finding(RuleId.WRONG_ARITY, *rule.location, message)
        # A rule that only calls itself is as dead as one that is never called.
        elif not any(call.text == rule.name and caller.name != rule.name for caller, call in calls):
            message = f"The rule `{rule.name}` is never called; is it misspelt?"
            yield Finding(RuleId.UNUSED_RULE, *rule.location, message)
        elif len(arities[rule.name]) > 1:
            message = f"`{rule.name}` is defined with {_numbers(arities[rule.name])} arguments; choose one number."
            yield Finding(RuleId.WRONG_ARITY, *rule.location, message)
    for _caller, call in calls:
        known = ENTRY_POINTS.get(call.text) or arities[call.text]
        if not known:
            yield Finding(RuleId.UNDEFINED_RULE, *call.location, f"There is no rule `{call.text}`.")
        elif len(call.parts) not in known:
            message = f"`{call.text}` takes {_numbers(known)} arguments, not {len(call.parts)}."
            yield Finding(RuleId.WRONG_ARITY, *call.location, message)


def _check_allow_rules(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Check that `main.polar` alone defines `allow`."""
    for file in files:
        for rule in file.rules:
            if rule.name == "allow" and file.name != MAIN:
                message = f"`allow` may only be defined in {MAIN}; a rule here would bypass its conditions."
                yield Finding(RuleId.ALLOW_OUTSIDE_MAIN, *rule.location, message)


def _check_packs(files: Sequence[PolarFile], base: frozenset[str]) -> Iterator[Finding]:
    """Check that packs grant access to their own types alone, and do not extend the rules of the base policy."""
    base_rules = {rule.name for file in files if file.name in base for rule in file.rules} - ENTRY_POINTS.keys()
    pack_types = {block.name for file in files if file.name not in base for block in file.blocks} - KINDS.keys()
    for rule in (rule for file in files if file.name not in base for rule in file.rules):
        if rule.name in base_rules:
            message = f"`{rule.name}` is a rule of the base policy, which a pack may not extend."
            yield Finding(RuleId.FOREIGN_RULE, *rule.location, message)
        elif rule.name in _GRANTS and rule.arity >= len(("actor", "name", "resource")):
            # A `matches` in the body would not do: it may be on one side of an `or` only.
            pattern = rule.parameters[2].pattern
            if pattern is None or pattern.text not in pack_types:
                message = f"A pack may grant a {_GRANTS[rule.name]} of its own types only; name one in the head."
                yield Finding(RuleId.FOREIGN_GRANT, *rule.location, message)


def _numbers(arities: Iterable[int]) -> str:
    return " or ".join(str(arity) for arity in sorted(arities))


def _check_granted(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Check that some rule grants every permission, role and relation that is declared."""
    granted = _granted(files)
    for block in (block for file in files for block in file.blocks if block.kind == "resource"):
        for sort, nodes in _declared(block):
            for node in nodes:
                if not granted[sort] & {(owner, name) for owner in (block.name, None) for name in (node.text, None)}:
                    message = f'No rule grants the {sort} "{node.text}" of {block.name}.'
                    yield Finding(RuleId.UNGRANTED_NAME, *node.location, message)


def _check_trust(files: Iterable[PolarFile]) -> Iterator[Finding]:
    """Check that the base policy, which all services share, believes no caller: each may say what it likes.

    What a caller says about a resource of its own, or about a request for one, concerns nobody else.
    """
    for rule in (rule for file in files for rule in file.rules):
        types = infer_types(rule)
        is_own = any(kind not in (None, *KINDS, *RESERVED_NAMES) for kind in types.values())
        for node in () if rule.body is None else rule.body.walk():
            owner = type_of(node.parts[0], types) if node.kind == "field" else None
            if type_of(node, types) == "Properties" and (owner == "Person" or (owner == "Context" and not is_own)):
                message = f"`{node}` is what a caller says, and any service could give itself access by it."
                yield Finding(RuleId.TRUSTS_CALLER, *node.location, message)


def _check_roles(files: Sequence[PolarFile]) -> Iterator[Finding]:
    """Check that each role that is declared gives something, or is asked for."""
    used: set[tuple[str | None, str | None]] = set()
    for file in files:
        for rule in file.rules:
            types = infer_types(rule)
            for call in rule.calls:
                if call.text == "has_role" and len(call.parts) >= 3:
                    name = call.parts[1].text if call.parts[1].kind == "string" else None
                    owner = type_of(call.parts[2], types)
                    used.add((None if owner is None else owner.removesuffix("?"), name))
        for block in file.blocks:
            related = {relation.text: relation.parts[0].text for relation in block.relations}
            used |= {
                (block.name if one.relation is None else related.get(one.relation), one.source)
                for one in block.shorthands
            }
    for block in (block for file in files for block in file.blocks if block.kind == "resource"):
        for role in block.roles:
            if not used & {(owner, name) for owner in (block.name, None) for name in (role.text, None)}:
                message = f'The role "{role.text}" of {block.name} gives nothing, and no rule asks for it.'
                yield Finding(RuleId.UNUSED_ROLE, *role.location, message)


def _granted(files: Sequence[PolarFile]) -> dict[str, set[tuple[str | None, str | None]]]:
    """Return what the rules grant: sets of (type of the resource, name) by sort, where None stands for any."""
    granted: dict[str, set[tuple[str | None, str | None]]] = {sort: set() for sort in _GRANTS.values()}
    for file in files:
        for rule in file.rules:
            if rule.name in _GRANTS and rule.arity >= 3:
                name, resource = rule.parameters[1].value, rule.parameters[2].value
                text = name.text if name.kind == "string" else None
                granted[_GRANTS[rule.name]].add((type_of(resource, infer_types(rule)), text))
        for block in file.blocks:
            names = {(block.name, shorthand.granted) for shorthand in block.shorthands}
            granted["permission"] |= names
            granted["role"] |= names
    return granted
