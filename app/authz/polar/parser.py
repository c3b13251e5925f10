"""A parser for Polar: turns the text of a policy file into a syntax tree with source locations, without running it.

oso reports one error at a time and keeps its own syntax tree to itself. The linter needs the rules, their heads, their
bodies and the resource blocks, so this module parses the language again. It accepts a little more than Polar does:
oso has the last word on syntax.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from app.authz.polar.syntax import Block, Location, Node, Parameter, PolarFile, Rule, Shorthand, SourceError

KEYWORDS = frozenset(
    {"and", "cut", "debug", "false", "forall", "if", "in", "isa", "matches", "mod", "new", "not", "or", "print", "rem"}
    | {"true", "type"}
)
COMPARISONS = frozenset({"=", "==", "!=", "<", ">", "<=", ">=", ":=", "in", "matches"})

RULE_LIMIT = 500
"""How many tokens one rule may have. Code that walks deeper syntax trees, oso included, overflows its stack."""

# A lone carriage return is not white space here: some editors would not show that a rule follows it.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\n]+|\r\n|\#[^\r\n]*)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*(?:::\w+)*)
    |(?P<symbol>\?=|:=|==|!=|<=|>=|[=<>+\-*/.,:;()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)

Item = TypeVar("Item")


class ParseError(SourceError):
    """The text is not Polar."""


class TooComplexError(ParseError):
    """A rule has more tokens or deeper nesting than the engine can run."""


class Token(NamedTuple):
    """A token: `kind` is string, number, name, symbol or end; `offset` is where in the text it starts."""

    kind: str
    text: str
    location: Location
    offset: int


def parse(name: str, text: str) -> PolarFile:
    """Return the syntax tree of the file `name` that contains `text`. Raises ParseError."""
    try:
        return _Parser(tokenize(name, text)).file(name)
    except RecursionError:
        raise TooComplexError(Location(name, 1, 1), "The terms are nested too deeply.") from None


def tokenize(name: str, text: str) -> list[Token]:
    """Return the tokens of the file `name`; the last one is its end. Raises ParseError."""
    tokens, offset, line, line_start = [], 0, 1, 0
    while offset < len(text):
        location = Location(name, line, offset - line_start + 1)
        match = _TOKEN.match(text, offset)
        if match is None:
            if text[offset] == '"':
                raise ParseError(location, "The string is not closed.")
            raise ParseError(location, f"Unexpected character {text[offset]!a}.")
        kind = match.lastgroup or ""
        if kind != "blank":
            tokens.append(Token(kind, match.group(), location, offset))
        line += match.group().count("\n")
        offset = match.end()
        line_start = text.rfind("\n", 0, offset) + 1 if "\n" in match.group() else line_start
    return [*tokens, Token("end", "the end of the file", Location(name, line, offset - line_start + 1), offset)]


class _Parser:
    """A recursive-descent parser over the tokens of one file. Every method raises `ParseError` at what is not Polar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.token
        if token.kind == "end":
            raise ParseError(token.location, "The file ends in the middle of a rule.")
        self.index += 1
        return token

    def at(self, *texts: str) -> bool:
        return self.token.kind in ("name", "symbol") and self.token.text in texts

    def accept(self, text: str) -> bool:
        if self.at(text):
            self.index += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.unexpected(text)

    def unexpected(self, expected: str) -> ParseError:
        return ParseError(self.token.location, f"Expected {expected}, but found {self.token.text}.")

    def name(self) -> Token:
        if self.token.kind != "name" or self.token.text in KEYWORDS:
            raise self.unexpected("a name")
        return self.advance()

    def string(self) -> Node:
        if self.token.kind != "string":
            raise self.unexpected("a string")
        return self.primary()

    def sequence(self, parse_item: Callable[[], Item], end: str) -> tuple[Item, ...]:
        items = []
        while not self.accept(end):
            items.append(parse_item())
            if not self.accept(","):
                self.expect(end)
                break
        return tuple(items)

    def file(self, name: str) -> PolarFile:
        rules, types, blocks, inline_queries = [], [], [], []
        while self.token.kind != "end":
            location, start = self.token.location, self.index
            if self.accept("?="):
                inline_queries.append(location)
                self.expression()
                self.expect(";")
            elif self.accept("type"):
                types.append(self.head())
                self.expect(";")
            elif self.at("resource", "actor") and self.tokens[self.index + 1].kind == "name":
                blocks.append(self.block())
                continue
            else:
                rules.append(self.rule())
            if self.index - start > RULE_LIMIT:
                raise TooComplexError(location, "The rule is too long: move parts of it into rules of their own.")
        return PolarFile(name, tuple(rules), tuple(types), tuple(blocks), tuple(inline_queries))

    def rule(self) -> Rule:
        head = self.head()
        has_body = self.accept("if")
        body_start = self.token.offset
        body = self.expression() if has_body else None
        body_span = (body_start, self.token.offset)
        self.expect(";")
        return Rule(head.name, head.location, head.parameters, body, body_span)

    def head(self) -> Rule:
        name = self.name()
        self.expect("(")
        return Rule(name.text, name.location, self.sequence(self.parameter, ")"))

    def parameter(self) -> Parameter:
        value = self.sum()
        return Parameter(value, self.pattern() if self.accept(":") else None)

    def block(self) -> Block:
        kind, name = self.advance(), self.name()
        declared: dict[str, tuple[Node, ...]] = {"permissions": (), "roles": (), "relations": ()}
        shorthands = []
        self.expect("{")
        while not self.accept("}"):
            if self.token.kind == "string":
                shorthands.append(self.shorthand())
            else:
                key = self.name()
                if key.text not in declared:
                    raise ParseError(
                        key.location, f"A block declares permissions, roles and relations, but not {key.text}."
                    )
                self.expect("=")
                if key.text == "relations":
                    self.expect("{")
                    declared[key.text] = self.sequence(self.entry, "}")
                else:
                    self.expect("[")
                    declared[key.text] = self.sequence(self.string, "]")
            self.expect(";")
        return Block(kind.text, name.text, kind.location, **declared, shorthands=tuple(shorthands))

    def shorthand(self) -> Shorthand:
        granted = self.string()
        self.expect("if")
        source = self.string()
        relation = self.string().text if self.accept("on") else None
        return Shorthand(granted.location, granted.text, source.text, relation)

    def expression(self) -> Node:
        return self.junction("or", lambda: self.junction("and", self.negation))

    def junction(self, operator: str, parse_operand: Callable[[], Node]) -> Node:
        location, parts = self.token.location, [parse_operand()]
        while self.accept(operator):
            parts.append(parse_operand())
        return parts[0] if len(parts) == 1 else Node("operation", operator, location, tuple(parts))

    def negation(self) -> Node:
        location = self.token.location
        if self.accept("not"):
            return Node("operation", "not", location, (self.negation(),))
        return self.comparison()

    def comparison(self) -> Node:
        left = self.sum()
        while self.at(*COMPARISONS):
            operator = self.advance()
            right = self.pattern() if operator.text == "matches" else self.sum()
            left = Node("operation", operator.text, operator.location, (left, right))
        return left

    def sum(self) -> Node:
        return self.arithmetic(("+", "-"), lambda: self.arithmetic(("*", "/", "mod", "rem"), self.path))

    def arithmetic(self, operators: tuple[str, ...], parse_operand: Callable[[], Node]) -> Node:
        left = parse_operand()
        while self.at(*operators):
            operator = self.advance()
            left = Node("operation", operator.text, operator.location, (left, parse_operand()))
        return left

    def path(self) -> Node:
        term = self.primary()
        while self.accept("."):
            location = self.token.location
            if self.accept("("):
                key = self.expression()
                self.expect(")")
                # The way to read a property whose name is a word of Polar: `paper.properties.("type")`.
                literal = key.kind == "string"
                term = (
                    Node("field", key.text, location, (term,)) if literal else Node("lookup", "", location, (term, key))
                )
                continue
            name = self.name()
            if self.accept("("):
                term = Node("method", name.text, location, (term, *self.sequence(self.argument, ")")))
            else:
                term = Node("field", name.text, location, (term,))
        return term

    def argument(self) -> Node:
        # `f(x, key: y)`: the linter has no use for the key of a keyword argument.
        if self.token.kind == "name" and self.tokens[self.index + 1].text == ":":
            self.index += 2
        return self.expression()

    def primary(self) -> Node:
        token = self.advance()
        if token.kind == "string":
            return Node("string", re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL), token.location)
        if token.kind == "number" or (token.text == "-" and self.token.kind == "number"):
            text = token.text if token.kind == "number" else token.text + self.advance().text
            return Node("integer" if text.lstrip("-").isdigit() else "float", text, token.location)
        if token.text == "(":
            term = self.expression()
            self.expect(")")
            return term
        if token.text == "[":
            return Node("list", "", token.location, self.sequence(self.element, "]"))
        if token.text == "*":
            return Node("rest", self.name().text, token.location)
        if token.text == "{":
            return Node("dictionary", "", token.location, self.sequence(self.entry, "}"))
        if token.kind == "name":
            return self.named(token)
        raise ParseError(token.location, f"Expected a value, but found {token.text}.")

    def element(self) -> Node:
        return self.primary() if self.at("*") else self.sum()

    def named(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return Node("boolean", token.text, token.location)
        if token.text == "cut":
            return Node("cut", "cut", token.location)
        if token.text == "new":
            name = self.name()
            self.expect("(")
            return Node("new", name.text, token.location, self.sequence(self.argument, ")"))
        if self.accept("("):
            return Node("call", token.text, token.location, self.sequence(self.argument, ")"))
        if token.text in KEYWORDS:
            raise ParseError(token.location, f"Expected a value, but found {token.text}.")
        return Node("variable", token.text, token.location)

    def entry(self) -> Node:
        key = self.name()
        self.expect(":")
        return Node("entry", key.text, key.location, (self.sum(),))

    def pattern(self) -> Node:
        if self.token.kind != "name" or self.token.text in KEYWORDS:
            return self.primary()
        name = self.advance()
        fields = self.sequence(self.entry, "}") if self.accept("{") else ()
        return Node("pattern", name.text, name.location, fields)
