"""Polar source as data: what a policy file says, without running it.

oso reports one error at a time and keeps its parse to itself. The load checks need the rules, their heads, their
bodies and the resource blocks, each with its line, so this module reads the language again. It accepts a little more
than Polar does: oso has the last word on syntax.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

KEYWORDS = frozenset(
    {"and", "cut", "debug", "false", "forall", "if", "in", "isa", "matches", "mod", "new", "not", "or", "print", "rem"}
    | {"true", "type"}
)
COMPARISONS = frozenset({"=", "==", "!=", "<", ">", "<=", ">=", ":=", "in", "matches"})

RULE_LIMIT = 500
"""How many words one rule may have; whoever reads deeper terms than that, oso too, runs out of stack."""

# A lone carriage return is no white space here: it could hide a rule from whoever reads the file in an editor.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\n]+|\r\n|\#[^\r\n]*)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*(?:::\w+)*)
    |(?P<sign>\?=|:=|==|!=|<=|>=|[=<>+\-*/.,:;()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)


Item = TypeVar("Item")


class UnreadableError(Exception):
    """A file that is not Polar. `line` tells where, `sentence` what is wrong."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


class Token(NamedTuple):
    """One word of the language: `sort` is string, number, name, sign or end."""

    sort: str
    text: str
    line: int
    start: int
    """Where in the text it begins."""


@dataclass(frozen=True, slots=True)
class Node:
    """One term of a rule.

    `kind` is one of string, integer, float, boolean, variable, field (`parts[0].text`), method, lookup (`x.(y)`),
    call, operation, list, rest, dictionary, entry (a key of a dictionary), new, cut, pattern (what stands behind a
    colon or `matches`). `text` is its name, value or operator.
    """

    kind: str
    text: str
    line: int
    parts: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """Yield this term and all terms within it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a rule head, with what stands behind its colon."""

    value: Node
    pattern: Node | None


@dataclass(frozen=True, slots=True)
class Rule:
    """`name(parameters) if body;`, or a `type` declaration, which has no body.

    `body_span` holds where in the text the body begins (or would) and where the semicolon stands behind it.
    """

    name: str
    line: int
    parameters: tuple[Parameter, ...]
    body: Node | None = None
    body_span: tuple[int, int] = (0, 0)

    @property
    def arity(self) -> int:
        """How many arguments the rule takes."""
        return len(self.parameters)


@dataclass(frozen=True, slots=True)
class Shorthand:
    """`"given" if "by" on "relation";` within a block."""

    line: int
    given: str
    by: str
    relation: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """`resource Name { ... }` or `actor Name { ... }`. The declared words keep their lines."""

    sort: str
    name: str
    line: int
    permissions: tuple[Node, ...]
    roles: tuple[Node, ...]
    relations: tuple[Node, ...]
    shorthands: tuple[Shorthand, ...]


@dataclass(frozen=True, slots=True)
class PolarFile:
    """All that one file says. `inline_queries` holds the lines on which a `?=` stands."""

    name: str
    rules: tuple[Rule, ...] = ()
    types: tuple[Rule, ...] = ()
    blocks: tuple[Block, ...] = ()
    inline_queries: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the file says nothing at all."""
        return not (self.rules or self.types or self.blocks or self.inline_queries)


def read(name: str, text: str) -> PolarFile:
    """Return what the file `name` with this `text` says. Raises UnreadableError."""
    try:
        return _Reader(_tokens(text)).file(name)
    except RecursionError:
        raise UnreadableError(1, "The terms are nested too deeply.") from None


def _tokens(text: str) -> list[Token]:
    tokens, position, line = [], 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] == '"':
                raise UnreadableError(line, "A quotation mark is not closed.")
            raise UnreadableError(line, f"The character {text[position]!a} has no meaning here.")
        sort = match.lastgroup or ""
        if sort != "blank":
            tokens.append(Token(sort, match.group(), line, position))
        line += match.group().count("\n")
        position = match.end()
    return [*tokens, Token("end", "the end of the file", line, position)]


class _Reader:
    """A recursive descent over the tokens of one file. Every method raises `UnreadableError` at what is not Polar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.token
        if token.sort == "end":
            raise UnreadableError(token.line, "The file ends in the middle of a rule.")
        self.position += 1
        return token

    def at(self, *texts: str) -> bool:
        return self.token.sort in ("name", "sign") and self.token.text in texts

    def skip(self, text: str) -> bool:
        if self.at(text):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.skip(text):
            raise UnreadableError(self.token.line, f"Found {self.token.text} where {text} was expected.")

    def name(self) -> Token:
        if self.token.sort != "name" or self.token.text in KEYWORDS:
            raise UnreadableError(self.token.line, f"Found {self.token.text} where a name was expected.")
        return self.take()

    def string(self) -> Node:
        if self.token.sort != "string":
            raise UnreadableError(self.token.line, f"Found {self.token.text} where a quoted word was expected.")
        return self.primary()

    def several(self, read: Callable[[], Item], end: str) -> tuple[Item, ...]:
        items = []
        while not self.skip(end):
            items.append(read())
            if not self.skip(","):
                self.expect(end)
                break
        return tuple(items)

    def file(self, name: str) -> PolarFile:
        rules, types, blocks, inline_queries = [], [], [], []
        while self.token.sort != "end":
            line, start = self.token.line, self.position
            if self.skip("?="):
                inline_queries.append(line)
                self.expression()
                self.expect(";")
            elif self.skip("type"):
                types.append(self.head())
                self.expect(";")
            elif self.at("resource", "actor") and self.tokens[self.position + 1].sort == "name":
                blocks.append(self.block())
                continue
            else:
                head = self.head()
                has_body = self.skip("if")
                body_from = self.token.start
                body = self.expression() if has_body else None
                body_span = (body_from, self.token.start)
                self.expect(";")
                rules.append(Rule(head.name, head.line, head.parameters, body, body_span))
            if self.position - start > RULE_LIMIT:
                raise UnreadableError(line, "The rule is too long; give its parts names of their own.")
        return PolarFile(name, tuple(rules), tuple(types), tuple(blocks), tuple(inline_queries))

    def head(self) -> Rule:
        name = self.name()
        self.expect("(")
        return Rule(name.text, name.line, self.several(self.parameter, ")"))

    def parameter(self) -> Parameter:
        value = self.sum()
        return Parameter(value, self.pattern() if self.skip(":") else None)

    def block(self) -> Block:
        sort, name = self.take(), self.name()
        declared: dict[str, tuple[Node, ...]] = {"permissions": (), "roles": (), "relations": ()}
        shorthands = []
        self.expect("{")
        while not self.skip("}"):
            if self.token.sort == "string":
                shorthands.append(self.shorthand())
            else:
                key = self.name()
                if key.text not in declared:
                    raise UnreadableError(key.line, f"A block declares no {key.text}.")
                self.expect("=")
                if key.text == "relations":
                    self.expect("{")
                    declared[key.text] = self.several(self.entry, "}")
                else:
                    self.expect("[")
                    declared[key.text] = self.several(self.string, "]")
            self.expect(";")
        return Block(sort.text, name.text, sort.line, **declared, shorthands=tuple(shorthands))

    def shorthand(self) -> Shorthand:
        given = self.string()
        self.expect("if")
        by = self.string()
        relation = self.string().text if self.skip("on") else None
        return Shorthand(given.line, given.text, by.text, relation)

    def expression(self) -> Node:
        return self.joined("or", lambda: self.joined("and", self.negation))

    def joined(self, operator: str, read: Callable[[], Node]) -> Node:
        line, parts = self.token.line, [read()]
        while self.skip(operator):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Node("operation", operator, line, tuple(parts))

    def negation(self) -> Node:
        line = self.token.line
        if self.skip("not"):
            return Node("operation", "not", line, (self.negation(),))
        return self.comparison()

    def comparison(self) -> Node:
        left = self.sum()
        while self.at(*COMPARISONS):
            operator = self.take()
            right = self.pattern() if operator.text == "matches" else self.sum()
            left = Node("operation", operator.text, operator.line, (left, right))
        return left

    def sum(self) -> Node:
        return self.calculation(("+", "-"), lambda: self.calculation(("*", "/", "mod", "rem"), self.path))

    def calculation(self, operators: tuple[str, ...], read: Callable[[], Node]) -> Node:
        left = read()
        while self.at(*operators):
            operator = self.take()
            left = Node("operation", operator.text, operator.line, (left, read()))
        return left

    def path(self) -> Node:
        term = self.primary()
        while self.skip("."):
            line = self.token.line
            if self.skip("("):
                term = Node("lookup", "", line, (term, self.expression()))
                self.expect(")")
                continue
            name = self.name()
            if self.skip("("):
                term = Node("method", name.text, line, (term, *self.several(self.argument, ")")))
            else:
                term = Node("field", name.text, line, (term,))
        return term

    def argument(self) -> Node:
        # `f(x, key: y)`: the key of a keyword argument carries no meaning for the checks.
        if self.token.sort == "name" and self.tokens[self.position + 1].text == ":":
            self.position += 2
        return self.expression()

    def primary(self) -> Node:
        token = self.take()
        if token.sort == "string":
            return Node("string", re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL), token.line)
        if token.sort == "number" or (token.text == "-" and self.token.sort == "number"):
            number = token if token.sort == "number" else self.take()
            return Node("integer" if number.text.isdigit() else "float", number.text, token.line)
        if token.text == "(":
            term = self.expression()
            self.expect(")")
            return term
        if token.text == "[":
            return Node("list", "", token.line, self.several(self.primary_or_path, "]"))
        if token.text == "*":
            return Node("rest", self.name().text, token.line)
        if token.text == "{":
            return Node("dictionary", "", token.line, self.several(self.entry, "}"))
        if token.sort == "name":
            return self.named(token)
        raise UnreadableError(token.line, f"Found {token.text} where a value was expected.")

    def primary_or_path(self) -> Node:
        return self.primary() if self.at("*") else self.sum()

    def named(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return Node("boolean", token.text, token.line)
        if token.text == "cut":
            return Node("cut", "cut", token.line)
        if token.text == "new":
            name = self.name()
            self.expect("(")
            return Node("new", name.text, token.line, self.several(self.argument, ")"))
        if self.skip("("):
            return Node("call", token.text, token.line, self.several(self.argument, ")"))
        if token.text in KEYWORDS:
            raise UnreadableError(token.line, f"Found {token.text} where a value was expected.")
        return Node("variable", token.text, token.line)

    def entry(self) -> Node:
        key = self.name()
        self.expect(":")
        return Node("entry", key.text, key.line, (self.sum(),))

    def pattern(self) -> Node:
        if self.token.sort != "name" or self.token.text in KEYWORDS:
            return self.primary()
        name = self.take()
        fields = self.several(self.entry, "}") if self.skip("{") else ()
        return Node("pattern", name.text, name.line, fields)
