"""The syntax tree of a policy file. Every node knows its source location."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Location(NamedTuple):
    """A place in the source of a policy; `line` and `column` count from 1."""

    file: str
    line: int
    column: int


class SourceError(Exception):
    """The source of a policy is wrong. `message` is one sentence that says why, `location` is where."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location
        self.message = message


@dataclass(frozen=True, slots=True)
class Node:
    """One term of a rule.

    `kind` is one of string, integer, float, boolean, variable, field (`parts[0].text`), method, lookup (`x.(y)`),
    call, operation, list, rest, dictionary, entry (a key of a dictionary), new, cut, pattern (what follows a colon
    or `matches`). `text` is its name, value or operator.
    """

    kind: str
    text: str
    location: Location
    parts: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """Yield this term and all terms within it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def __str__(self) -> str:
        """Return the term roughly as it is written in the policy, for messages."""
        match self.kind:
            case "string":
                return f'"{self.text}"'
            case "field":
                return f"{self.parts[0]}.{self.text}"
            case "method":
                return f"{self.parts[0]}.{self.text}(...)"
            case "lookup":
                return f"{self.parts[0]}.({self.parts[1]})"
            case "list":
                return f"[{', '.join(map(str, self.parts))}]"
            case "dictionary":
                return "{...}"
            case "call" | "new":
                return f"{self.text}(...)"
            case "operation" if len(self.parts) == 2:
                return f"{self.parts[0]} {self.text} {self.parts[1]}"
            case _:
                return self.text


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a rule head, with the pattern after its colon."""

    value: Node
    pattern: Node | None


@dataclass(frozen=True, slots=True)
class Rule:
    """`name(parameters) if body;`, or a `type` declaration, which has no body.

    `body_span` holds the offsets in the text where the body starts (or would start) and where the semicolon after it
    is.
    """

    name: str
    location: Location
    parameters: tuple[Parameter, ...]
    body: Node | None = None
    body_span: tuple[int, int] = (0, 0)

    @property
    def arity(self) -> int:
        """How many arguments the rule takes."""
        return len(self.parameters)

    @property
    def calls(self) -> list[Node]:
        """The calls in the body, including those of the built-in `forall`, `print` and `debug`."""
        return [] if self.body is None else [node for node in self.body.walk() if node.kind == "call"]


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A shorthand rule of a block: `"granted" if "source" on "relation";`."""

    location: Location
    granted: str
    source: str
    relation: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """`resource Name { ... }` or `actor Name { ... }`; `kind` is resource or actor."""

    kind: str
    name: str
    location: Location
    permissions: tuple[Node, ...]
    roles: tuple[Node, ...]
    relations: tuple[Node, ...]
    shorthands: tuple[Shorthand, ...]


@dataclass(frozen=True, slots=True)
class PolarFile:
    """The syntax tree of one file; `inline_queries` holds the locations of each `?=`."""

    name: str
    rules: tuple[Rule, ...] = ()
    types: tuple[Rule, ...] = ()
    blocks: tuple[Block, ...] = ()
    inline_queries: tuple[Location, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the file holds nothing but comments."""
        return not (self.rules or self.types or self.blocks or self.inline_queries)
