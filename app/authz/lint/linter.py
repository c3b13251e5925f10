"""What is checked before a policy may decide: everything that oso would take silently for something else.

All findings are reported, not only the first, each with its file and line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.authz.engine.engine import kinds_of, read_sources
from app.authz.engine.sandbox import GuardedOso
from app.authz.facts import KINDS
from app.authz.lint.type_checker import BUILT_IN_NAMES, check_rule, infer_kinds, kind_of
from app.authz.lint.untrusted_input import check_told
from app.authz.polar import parser
from app.authz.polar.names import LONGEST_KIND, policy_name, wire_name
from app.authz.polar.parser import Block, Node, PolarFile, Rule
from app.vocabulary import PERMISSIONS

QUESTIONS = {
    "allow": frozenset({4}),
    "has_permission": frozenset({3, 4}),
    "has_relation": frozenset({3}),
    "has_role": frozenset({3}),
}
"""The rules that are asked from outside, with the numbers of arguments that they take."""

MAIN = "main.polar"
"""The file that lets questions in and names the actors; every other file holds one resource."""

_BUILT_IN_CALLS = frozenset({"forall", "print", "debug"})
_WORDS = {"has_permission": "permission", "has_role": "role", "has_relation": "relation"}


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """Something wrong with a policy. Line 0 of a file means the file as a whole."""

    file: str
    line: int
    sentence: str


def check_folder(*folders: Path) -> list[Finding]:
    """Return everything that is wrong with the policy in `folders`, in the order of files and lines.

    How files are laid out is a law of the first folder alone; the others are packs, whose authors do as they like.
    Raises PolicyError if a folder or one of its files cannot be read at all.
    """
    sources = read_sources(*folders)
    ours = frozenset(path.name for path in folders[0].iterdir())
    files, findings = [], []
    for source in sources:
        try:
            files.append(parser.read(str(source.filename), source.src))
        except parser.UnreadableError as error:
            findings.append(Finding(str(source.filename), error.line, error.sentence))
    kinds = kinds_of(files)
    for file in files:
        findings += _check_within(file, frozenset(kinds))
    # What an unreadable file says is unknown, and everything that needs it would be reported as missing.
    if len(files) == len(sources):
        findings += _check_between(files, ours)
        if not all(file.is_empty for file in files):
            # oso stops at its first error, and says in its words what is said here already.
            said = {(finding.file, finding.line) for finding in findings}
            for problem in GuardedOso({name: kinds[name] for name in kinds.keys() - BUILT_IN_NAMES}).load(sources):
                finding = Finding(problem.file or folders[0].name, problem.line or 0, problem.sentence)
                if (finding.file, finding.line) not in said:
                    findings.append(finding)
    return sorted(set(findings))


def _check_within(file: PolarFile, kinds: frozenset[str]) -> Iterator[Finding]:
    for line in file.inline_queries:
        yield Finding(file.name, line, "Inline queries (?=) are not used here; write a decision table.")
    for rule in (*file.rules, *file.types):
        for slip in check_rule(rule, kinds):
            yield Finding(file.name, *slip)


def _check_between(files: list[PolarFile], ours: frozenset[str]) -> Iterator[Finding]:
    words = _Words([block for file in files for block in file.blocks if block.sort == "resource"])
    yield from _check_blocks(files, ours)
    yield from _check_vocabulary(files)
    yield from _check_heads(files)
    yield from _check_doors(files, ours)
    yield from _check_given(files)
    yield from (Finding(name, *slip) for name, slip in check_told(files))
    for file in files:
        for rule in file.rules:
            yield from (Finding(file.name, *slip) for slip in words.misused(rule))
        for block in file.blocks:
            yield from (Finding(file.name, *slip) for slip in words.misused_in_block(block))


class _Words:
    """The permissions, roles and relations that resource blocks declare."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.of: dict[str, dict[str, set[str]]] = {"permission": {}, "role": {}, "relation": {}}
        self.relation_kinds: dict[tuple[str, str], str] = {}
        for block in blocks:
            for sort, nodes in _declared(block):
                self.of[sort].setdefault(block.name, set()).update(node.text for node in nodes)
            for entry in block.relations:
                self.relation_kinds[block.name, entry.text] = entry.parts[0].text

    def lacks(self, sort: str, word: str, kind: str | None) -> bool:
        """Return whether blocks of `kind`, or of any kind where that is None, fail to declare `word`."""
        if kind is None:
            return all(word not in words for words in self.of[sort].values())
        return word not in self.of[sort].get(kind.removesuffix("?"), set())

    def misused(self, rule: Rule) -> Iterator[tuple[int, str]]:
        """Yield each word in the head and the body of `rule` that the block it is about does not declare."""
        kinds = infer_kinds(rule)
        heads = [(rule.name, rule.line, [parameter.value for parameter in rule.parameters])]
        calls = [] if rule.body is None else [node for node in rule.body.walk() if node.kind == "call"]
        for name, line, terms in heads + [(call.text, call.line, list(call.parts)) for call in calls]:
            if name in _WORDS and len(terms) >= 3 and terms[1].kind == "string":
                kind = kind_of(terms[2], kinds)
                if self.lacks(_WORDS[name], terms[1].text, kind):
                    yield line, f'{_owner(kind)} declares no {_WORDS[name]} "{terms[1].text}".'

    def misused_in_block(self, block: Block) -> Iterator[tuple[int, str]]:
        """Yield each word in the shorthand rules of `block` that nobody declares."""
        for rule in block.shorthands:
            if self.lacks("permission", rule.given, block.name) and self.lacks("role", rule.given, block.name):
                yield rule.line, f'{block.name} declares no permission or role "{rule.given}".'
            if rule.relation is None:
                if self.lacks("role", rule.by, block.name) and self.lacks("permission", rule.by, block.name):
                    yield rule.line, f'{block.name} declares no role "{rule.by}".'
            elif self.lacks("relation", rule.relation, block.name):
                yield rule.line, f'{block.name} declares no relation "{rule.relation}".'
            else:
                kind = self.relation_kinds[block.name, rule.relation]
                if self.lacks("role", rule.by, kind) and self.lacks("permission", rule.by, kind):
                    yield rule.line, f'{kind} declares no role "{rule.by}".'


def _owner(kind: str | None) -> str:
    return "No resource block" if kind is None else kind.removesuffix("?")


def _declared(block: Block) -> tuple[tuple[str, tuple[Node, ...]], ...]:
    return ("permission", block.permissions), ("role", block.roles), ("relation", block.relations)


def _check_blocks(files: list[PolarFile], ours: frozenset[str]) -> Iterator[Finding]:
    """Every block once, the actors in the main file; of `ours`, one resource a file, named after it."""
    homes: dict[tuple[str, str], str] = {}
    for file in files:
        resources = [block for block in file.blocks if block.sort == "resource"]
        for block in file.blocks:
            key = block.sort, block.name
            if key in homes:
                yield Finding(file.name, block.line, f"The block {block.name} stands in {homes[key]} already.")
            homes.setdefault(key, file.name)
            if block.name in BUILT_IN_NAMES:
                yield Finding(file.name, block.line, f"{block.name} is a word of Polar; call the kind something else.")
            if policy_name(wire_name(block.name)) != block.name or len(wire_name(block.name)) > LONGEST_KIND:
                # Messages could not name it, or would take it for another.
                sentence = f"a kind is called like MarkScheme, one capital a word, in at most {LONGEST_KIND} characters"
                yield Finding(file.name, block.line, f"{block.name}: {sentence}.")
            if block.sort == "actor" and file.name != MAIN:
                yield Finding(file.name, block.line, f"Actor blocks stand in {MAIN}.")
            if block.sort == "resource" and file.name == MAIN:
                yield Finding(file.name, block.line, f"{MAIN} holds no resource block.")
            if block.sort == "resource" and file.name in ours and file.name not in (MAIN, file_name(block.name)):
                yield Finding(file.name, block.line, f"The block {block.name} belongs in {file_name(block.name)}.")
        if file.name in ours and file.name != MAIN and len(resources) != 1:
            yield Finding(file.name, 0, f"A file holds exactly one resource block; this one holds {len(resources)}.")


def file_name(kind: str) -> str:
    """Return the name of the file that holds the block of `kind`: `mark_scheme.polar` for `MarkScheme`."""
    return f"{wire_name(kind)}.polar"


def _check_vocabulary(files: list[PolarFile]) -> Iterator[Finding]:
    """The code asks about exactly the permissions that the blocks declare."""
    blocks = {block.name: (file, block) for file in files for block in file.blocks if block.sort == "resource"}
    for kind in sorted(PERMISSIONS.keys() - blocks.keys()):
        yield Finding(file_name(kind), 0, f"The code asks about a {kind}, and no resource block is called so.")
    for kind, (file, block) in blocks.items():
        # A kind that only the policy declares is asked about by callers, in its own words.
        if kind not in PERMISSIONS:
            if kind in KINDS:
                yield Finding(file.name, block.line, f"The code never asks about a {kind}.")
            continue
        declared = {permission.text: permission.line for permission in block.permissions}
        for word in sorted(PERMISSIONS[kind] - declared.keys()):
            yield Finding(file.name, block.line, f'The code asks for "{word}" on a {kind}, which is not declared.')
        for unasked in sorted(declared.keys() - PERMISSIONS[kind]):
            yield Finding(file.name, declared[unasked], f'The code never asks for "{unasked}" on a {kind}.')


def _check_heads(files: list[PolarFile]) -> Iterator[Finding]:
    """Every rule is asked by something, every call meets a rule, and a name takes one number of arguments."""
    rules = [(file.name, rule) for file in files for rule in file.rules]
    calls = [(file, rule, call) for file, rule in rules if rule.body is not None for call in _calls(rule.body)]
    arities: dict[str, set[int]] = defaultdict(set)
    for _file, rule in rules:
        arities[rule.name].add(rule.arity)
    for file, rule in rules:
        if rule.name in QUESTIONS:
            if rule.arity not in QUESTIONS[rule.name]:
                yield Finding(file, rule.line, f"{rule.name} takes {_numbers(QUESTIONS[rule.name])} arguments.")
        # A rule that only calls itself is as dead as one that nobody calls.
        elif not any(call.text == rule.name and caller.name != rule.name for _file, caller, call in calls):
            yield Finding(file, rule.line, f"Nothing asks {rule.name}; is it misspelt?")
        elif len(arities[rule.name]) > 1:
            yield Finding(file, rule.line, f"{rule.name} is defined with {_numbers(arities[rule.name])} arguments.")
    for file, _rule, call in calls:
        known = QUESTIONS.get(call.text) or arities[call.text]
        if not known:
            yield Finding(file, call.line, f"There is no rule {call.text}.")
        elif len(call.parts) not in known:
            yield Finding(file, call.line, f"{call.text} takes {_numbers(known)} arguments, not {len(call.parts)}.")


def _check_doors(files: list[PolarFile], ours: frozenset[str]) -> Iterator[Finding]:
    """Questions come in through the main file alone, and a pack opens doors of its own kinds and of no other."""
    helpers = {rule.name for file in files if file.name in ours for rule in file.rules} - QUESTIONS.keys()
    kinds = {block.name for file in files if file.name not in ours for block in file.blocks} - KINDS.keys()
    for file in files:
        for rule in file.rules:
            if rule.name == "allow" and file.name != MAIN:
                yield Finding(
                    file.name, rule.line, f"Rules for allow stand in {MAIN}; nothing goes past its conditions."
                )
            if file.name in ours:
                continue
            if rule.name in helpers:
                yield Finding(file.name, rule.line, f"{rule.name} is a rule of the portal; a pack adds nothing to it.")
            elif rule.name in _WORDS and rule.arity >= len(("actor", "word", "thing")):
                # The body may say of the kind what holds on one side of an `or` only.
                pattern = rule.parameters[2].pattern
                if pattern is None or pattern.text not in kinds:
                    word = _WORDS[rule.name]
                    yield Finding(
                        file.name, rule.line, f"A pack gives a {word} on its own kinds only; name one in the head."
                    )


def _calls(body: Node) -> Iterator[Node]:
    return (node for node in body.walk() if node.kind == "call" and node.text not in _BUILT_IN_CALLS)


def _numbers(arities: Iterable[int]) -> str:
    return " or ".join(str(arity) for arity in sorted(arities))


def _check_given(files: list[PolarFile]) -> Iterator[Finding]:
    """Every declared permission, role and relation is given by some rule."""
    given = _given(files)
    for file in files:
        for block in file.blocks:
            for sort, nodes in _declared(block) if block.sort == "resource" else ():
                for node in nodes:
                    if not given[sort] & {(kind, text) for kind in (block.name, None) for text in (node.text, None)}:
                        yield Finding(file.name, node.line, f'No rule gives the {sort} "{node.text}" of {block.name}.')


def _given(files: list[PolarFile]) -> dict[str, set[tuple[str | None, str | None]]]:
    """Return what the rules give, by sort, as kind of resource and word; None stands for every one of them."""
    given: dict[str, set[tuple[str | None, str | None]]] = {sort: set() for sort in _WORDS.values()}
    for file in files:
        for rule in file.rules:
            if rule.name in _WORDS and rule.arity >= 3:
                word, resource = rule.parameters[1].value, rule.parameters[2].value
                text = word.text if word.kind == "string" else None
                given[_WORDS[rule.name]].add((kind_of(resource, infer_kinds(rule)), text))
        for block in file.blocks:
            words = {(block.name, shorthand.given) for shorthand in block.shorthands}
            given["permission"] |= words
            given["role"] |= words
    return given
