"""The quick parser parses what the careful one parses, and leaves the rest to it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.api.errors import InvalidRequestError
from app.api.wire import strict_json
from app.api.wire.strict_json import DEEPEST, _check_depth, is_shallow, parse_carefully, parse_object
from tests.api.conftest import question

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([2**53, 2**53 - 1, 1e400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
SPACE = st.text(alphabet=" \t\r\n", max_size=2)
PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"a", b"1", b"0", b"-", b".", b"e9", b"true", b"null", b" "]
    + [b"\xff", b"\xed\xa0\x80", b"\x00", b"\x01", b"\xc3\xa4", b'"a":1', b'"a": 1,"a":2', b"9007199254740992"]
)


def parsed(parse: Callable[[bytes], Any], raw: bytes) -> tuple[str, Any]:
    try:
        return "parsed", repr(parse(raw))
    except InvalidRequestError as error:
        return "refused", error.message


def agree(raw: bytes) -> None:
    assert parsed(parse_object, raw) == parsed(lambda text: strict_json._composed(parse_carefully(text)), raw)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(body=st.dictionaries(st.text(max_size=3), JSON, max_size=4), space=SPACE, ascii_only=st.booleans())
def test_a_body_is_parsed_quickly_as_carefully(body: dict[str, Any], space: str, ascii_only: bool) -> None:
    separators = (f",{space}", f"{space}:")
    agree(json.dumps(body, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(raw=st.lists(PIECES, max_size=20).map(b"".join))
@example(raw=b'{"a":1,"a":2}')
@example(raw=b'{"a b":1,"ab":2}')
@example(raw=b'{"a":{"b":1,"b":1}}')
@example(raw=b'{"a":1e5}')
@example(raw=b'{"a":-0}')
@example(raw=b'{"a":9007199254740992}')
@example(raw=b'{"a":0.10000000000000000001}')
@example(raw=b'{"a":"\xed\xa0\x80"}')
@example(raw=b'{"a":"\x01"}')
@example(raw=b"\xef\xbb\xbf{}")
def test_whatever_bytes_come_the_quick_parser_says_nothing_else(raw: bytes) -> None:
    agree(raw)
    agree(b"{" + raw + b"}")


def test_a_usual_body_is_parsed_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "parse_carefully", lambda _raw: pytest.fail("parsed carefully"))
    for body in (question(), {**question(), "evaluations": [question()] * 100}, question("zo\u00eb")):
        for raw in (json.dumps(body, ensure_ascii=False), json.dumps(body, ensure_ascii=False, indent=2)):
            assert parse_object(raw.encode()) == body


BRACKETS = st.text(alphabet='[]{}"a,:', max_size=90)
NESTED = st.integers(DEEPEST - 2, DEEPEST + 2).map(lambda depth: "[" * depth + "]" * depth)
MIXED = st.lists(st.sampled_from(['"]"', '"["', '{"a":', "[", "]", "}", ","]), max_size=80).map("".join)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(text=BRACKETS | NESTED | MIXED)
def test_what_counts_as_shallow_is_not_too_deep(text: str) -> None:
    if is_shallow(text.encode()):
        _check_depth(text)
