"""The parser: every form of the language becomes a syntax tree with locations, and every error has its place."""

from pathlib import Path

import pytest

from app.authz.polar.parser import RULE_LIMIT, ParseError, TooComplexError, parse, tokenize
from app.authz.polar.syntax import Node, PolarFile, Rule
from app.config import ROOT

Tree = tuple[object, ...] | str


def rule(text: str) -> Rule:
    [parsed] = parse("a.polar", text).rules
    return parsed


def tree(node: Node) -> Tree:
    """Return a term as nested tuples: its kind, its text if it has any, and its parts."""
    text = (node.text,) if node.text else ()
    return (node.kind, *text, *map(tree, node.parts))


def body(condition: str) -> Tree:
    parsed = rule(f"r(x) if {condition};").body
    assert parsed is not None
    return tree(parsed)


def var(name: str) -> Tree:
    return ("variable", name)


def num(value: int) -> Tree:
    return ("integer", str(value))


# Tokens


def test_each_token_has_its_line_and_column() -> None:
    text = 'r(x) if # a comment, ünïcode\n  x.state =\r\n\t"two\nlines" and\n  y;'
    places = [(token.kind, token.text, *token.location[1:]) for token in tokenize("a.polar", text)]
    assert places == [
        ("name", "r", 1, 1),
        ("symbol", "(", 1, 2),
        ("name", "x", 1, 3),
        ("symbol", ")", 1, 4),
        ("name", "if", 1, 6),
        ("name", "x", 2, 3),
        ("symbol", ".", 2, 4),
        ("name", "state", 2, 5),
        ("symbol", "=", 2, 11),
        ("string", '"two\nlines"', 3, 2),
        ("name", "and", 4, 8),
        ("name", "y", 5, 3),
        ("symbol", ";", 5, 4),
        ("end", "the end of the file", 5, 5),
    ]


def test_each_token_has_its_file_and_its_offset_in_the_text() -> None:
    text = "# nothing\nab(c);"
    for token in tokenize("b.polar", text)[:-1]:
        assert token.location.file == "b.polar"
        assert text[token.offset :].startswith(token.text)


@pytest.mark.parametrize("symbol", ["?=", ":=", "==", "!=", "<=", ">=", *"=<>+-*/.,:;()[]{}"])
def test_a_symbol_is_one_token(symbol: str) -> None:
    assert [token.text for token in tokenize("a.polar", f"a{symbol}b")[:-1]] == ["a", symbol, "b"]


@pytest.mark.parametrize("text", ["1", "1.5", "2e10", "2.5E-3", '"a \\" b"', "snake_case", "_", "Module::Name"])
def test_a_literal_or_a_name_is_one_token(text: str) -> None:
    assert [token.text for token in tokenize("a.polar", text)[:-1]] == [text]


# Rules


def test_a_fact_is_a_rule_without_a_body() -> None:
    parsed = rule('has_role(_: Person, "visitor", _service);')
    assert (parsed.name, parsed.arity, parsed.body, parsed.calls) == ("has_role", 3, None, [])
    assert [tree(parameter.value) for parameter in parsed.parameters] == [
        var("_"),
        ("string", "visitor"),
        var("_service"),
    ]
    assert [parameter.pattern and tree(parameter.pattern) for parameter in parsed.parameters] == [
        ("pattern", "Person"),
        None,
        None,
    ]


def test_a_rule_has_its_location_and_the_span_of_its_body() -> None:
    text = '\n  r(x) if\n  x.state = "a" and f(x) ;'
    parsed = rule(text)
    assert parsed.location == ("a.polar", 2, 3)
    start, end = parsed.body_span
    assert text[start:end] == 'x.state = "a" and f(x) '
    assert [call.text for call in parsed.calls] == ["f"]


def test_the_span_of_a_missing_body_is_in_front_of_the_semicolon() -> None:
    assert rule("r(_) ;").body_span == (5, 5)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Person", ("pattern", "Person")),
        ('Person{state: "a"}', ("pattern", "Person", ("entry", "state", ("string", "a")))),
        ('"text"', ("string", "text")),
        ("1", num(1)),
        ("[1, 2]", ("list", num(1), num(2))),
        ("{a: 1}", ("dictionary", ("entry", "a", num(1)))),
    ],
)
def test_a_pattern_follows_a_colon_or_matches(pattern: str, expected: Tree) -> None:
    [parameter] = rule(f"r(x: {pattern});").parameters
    assert parameter.pattern is not None
    assert tree(parameter.pattern) == expected
    assert body(f"x matches {pattern}") == ("operation", "matches", var("x"), expected)


# Terms


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('"a \\"b\\" c"', ("string", 'a "b" c')),
        ("1", num(1)),
        ("-1", num(-1)),
        ("x - 1", ("operation", "-", var("x"), num(1))),
        ("1.5", ("float", "1.5")),
        ("1e3", ("float", "1e3")),
        ("true", ("boolean", "true")),
        ("x", var("x")),
        ("nil", var("nil")),
        ("cut", ("cut", "cut")),
        ("[]", ("list",)),
        ("[x, *rest]", ("list", var("x"), ("rest", "rest"))),
        ("x.a.b", ("field", "b", ("field", "a", var("x")))),
        ("x.f()", ("method", "f", var("x"))),
        ("x.f(1, key: 2).a", ("field", "a", ("method", "f", var("x"), num(1), num(2)))),
        ("x.(y)", ("lookup", var("x"), var("y"))),
        ('x.("type")', ("field", "type", var("x"))),
        ("f()", ("call", "f")),
        ("f(x, g(y),)", ("call", "f", var("x"), ("call", "g", var("y")))),
        (
            "forall(x in y, x = 1)",
            ("call", "forall", ("operation", "in", var("x"), var("y")), ("operation", "=", var("x"), num(1))),
        ),
        ("print(x)", ("call", "print", var("x"))),
        ("debug()", ("call", "debug")),
        ("new Person(1, name: x)", ("new", "Person", num(1), var("x"))),
        ("{a: 1, b: x.c}", ("dictionary", ("entry", "a", num(1)), ("entry", "b", ("field", "c", var("x"))))),
    ],
)
def test_a_term_is_parsed(condition: str, expected: Tree) -> None:
    assert body(condition) == expected


@pytest.mark.parametrize(
    "operator", ["=", "==", ":=", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "mod", "rem"]
)
def test_an_operator_takes_two_terms(operator: str) -> None:
    assert body(f"x {operator} y") == ("operation", operator, var("x"), var("y"))


@pytest.mark.parametrize(
    ("condition", "same"),
    [
        ("a and b or c and d", "(a and b) or (c and d)"),
        ("not a = b and c", "(not (a = b)) and c"),
        ("not not a", "not (not a)"),
        ("a = b + c * d", "a = (b + (c * d))"),
        ("a - b - c", "(a - b) - c"),
        ("a.b + c.d < e", "((a.b) + (c.d)) < e"),
    ],
)
def test_operators_bind_as_in_polar(condition: str, same: str) -> None:
    assert body(condition) == body(same)


def test_a_chain_of_and_is_one_operation() -> None:
    assert body("a and b and c") == ("operation", "and", var("a"), var("b"), var("c"))


@pytest.mark.parametrize(
    ("condition", "kind", "column"),
    [
        ("x.state = 1", "operation", 17),
        ("x.state = 1", "field", 11),
        ("f(x)", "call", 9),
        ("x = 1 and y", "operation", 9),
        ("not x", "operation", 9),
        ("x matches Person", "pattern", 19),
        ("[x]", "list", 9),
    ],
)
def test_a_term_is_located_at_its_name_or_its_operator(condition: str, kind: str, column: int) -> None:
    parsed = rule(f"r(x) if {condition};").body
    assert parsed is not None
    found = next(node for node in parsed.walk() if node.kind == kind)
    assert found.location == ("a.polar", 1, column)


@pytest.mark.parametrize(
    "text",
    ['"a"', "x.state", "x.f(...)", "x.(y)", "[x, 1]", "{...}", "f(...)", "x.a = y", "x in y.b"],
)
def test_a_term_is_written_as_in_the_policy(text: str) -> None:
    parsed = rule(f"r(x) if {text.replace('...', '' if '(' in text else 'a: 1')};").body
    assert str(parsed) == text


# Files


def test_a_block_declares_names_and_shorthand_rules() -> None:
    text = """resource Membership {
  permissions = ["read", "remove"];
  roles = ["manager"];
  relations = { organisation: Organisation };

  "remove" if "manager";
  "read" if "officer" on "organisation";
}
actor Person {}"""
    membership, person = parse("a.polar", text).blocks
    assert (membership.kind, membership.name, membership.location[1:]) == ("resource", "Membership", (1, 1))
    assert [(node.text, *node.location[1:]) for node in membership.permissions] == [("read", 2, 18), ("remove", 2, 26)]
    assert [(node.text, *node.location[1:]) for node in membership.roles] == [("manager", 3, 12)]
    assert [tree(node) for node in membership.relations] == [("entry", "organisation", var("Organisation"))]
    assert [(short.granted, short.source, short.relation, *short.location[1:]) for short in membership.shorthands] == [
        ("remove", "manager", None, 6, 3),
        ("read", "officer", "organisation", 7, 3),
    ]
    assert (person.kind, person.name, person.location[1:]) == ("actor", "Person", (9, 1))


def test_a_rule_may_be_called_like_a_block() -> None:
    assert [parsed.name for parsed in parse("a.polar", "resource(x) if actor(x); actor(_);").rules] == [
        "resource",
        "actor",
    ]


def test_types_and_inline_queries_are_kept_apart_from_rules() -> None:
    parsed = parse("a.polar", "type allow(_actor: Actor, _: String);\n  ?= f(1) and 1 = 1;\nf(_);")
    assert [(one.name, one.arity) for one in parsed.types] == [("allow", 2)]
    assert parsed.inline_queries == (("a.polar", 2, 3),)
    assert [one.name for one in parsed.rules] == ["f"]


@pytest.mark.parametrize(
    ("text", "is_empty"), [("", True), ("# f(_);\n", True), ("f(_);", False), ("?= 1 = 1;", False)]
)
def test_a_file_of_comments_is_empty(text: str, is_empty: bool) -> None:
    assert parse("a.polar", text).is_empty == is_empty


def test_an_empty_file_has_its_name() -> None:
    assert parse("a.polar", "") == PolarFile("a.polar")


@pytest.mark.parametrize("path", sorted((ROOT / "policies").glob("*.polar")), ids=lambda path: path.name)
def test_the_shipped_policy_is_parsed(path: Path) -> None:
    assert not parse(path.name, path.read_text()).is_empty


# Errors


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("r(x) if\n  £;", 2, 3),
        ('r(x) if\n x = "open;', 2, 6),
        ("r(x)\r;", 1, 5),
        ("r(x", 1, 4),
        ("r(x) if", 1, 8),
        ("r(x) if ;", 1, 9),
        ("r(x) if x", 1, 10),
        ("r(x) if x = ;", 1, 13),
        ("r(x) if if;", 1, 9),
        ("r(x) if x.;", 1, 11),
        ("r(x) if x.(y;", 1, 13),
        ("r(x) if f(x;", 1, 12),
        ("r(x) if [x;", 1, 11),
        ("r(x) if new 1;", 1, 13),
        ("r(x) if {1: 2} = x;", 1, 10),
        ("r(x) if x matches;", 1, 18),
        ("r(x: );", 1, 6),
        ("1(x);", 1, 1),
        ("and(x);", 1, 1),
        ("resource R [", 1, 12),
        ("resource R {\n  permission = [];", 2, 3),
        ("resource R { roles = [read]; }", 1, 23),
        ("resource R { roles = ['x']; }", 1, 23),
        ('resource R { "a" if b; }', 1, 21),
        ('resource R { "a" "b"; }', 1, 18),
        ('resource R { "a" if "b" }', 1, 25),
        ("resource R { relations = [x]; }", 1, 26),
        ("resource R {", 1, 13),
        ("type f(x) if x;", 1, 11),
        ("?= 1 = 1", 1, 9),
    ],
)
def test_an_error_has_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse("a.polar", text)
    assert caught.value.location == ("a.polar", line, column)
    assert not isinstance(caught.value, TooComplexError)
    assert caught.value.message.endswith(".")


def test_a_rule_that_is_too_long_is_refused_at_its_head() -> None:
    text = f"f(_);\n  r(x) if x = 1{' + 1' * RULE_LIMIT};"
    with pytest.raises(TooComplexError) as caught:
        parse("a.polar", text)
    assert caught.value.location == ("a.polar", 2, 3)


@pytest.mark.parametrize("text", [f"r(x) if {'(' * 20_000}x;", f"r(x) if {'not ' * 20_000}x;"], ids=["(", "not"])
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(TooComplexError):
        parse("a.polar", text)
