"""Bodies from callers who are careless or hostile: each is refused with its own sentence, and nothing breaks."""

import encodings
import io
import json
import zlib
from itertools import product
from time import thread_time
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import Client as WerkzeugClient

from app.api.transport.request_body import LARGEST_BODY
from app.api.wire.strict_json import DEEPEST
from tests.api.conftest import KEY, Send, Tell, question

pytestmark = pytest.mark.one_database

GOOD = json.dumps(question()).encode()


def with_context(text: str) -> bytes:
    """Return a question with raw JSON in a member that is not looked at."""
    return GOOD[:-1] + b', "context": {"x": ' + text.encode() + b"}}"


def nested(levels: int) -> bytes:
    """Return a question whose brackets go `levels` deep."""
    return with_context("[" * (levels - 2) + "]" * (levels - 2))


HOSTILE = {
    "empty": (b"", "The body is empty: send a JSON object."),
    "blank": (b"  \n ", "The body is not valid JSON: look at line 2, column 2."),
    "word": (b"hello", "The body is not valid JSON: look at line 1, column 1."),
    "cut off": (GOOD[:-1], f"The body is not valid JSON: look at line 1, column {len(GOOD)}."),
    "brackets that texts seem to close": (b'["]",' * 40, "The body is nested deeper than 32 levels."),
    "brackets of which a text seems to close some": (b'{"a":["]",' * 40, "The body is nested deeper than 32 levels."),
    "brackets that a text seems to open": (b'["[[[[", {"a": "}' * 20, "The body is nested deeper than 32 levels."),
    "braces and brackets": (b'{"a":[' * 17 + b"]}" * 17, "The body is nested deeper than 32 levels."),
    "two objects": (GOOD + GOOD, f"The body is not valid JSON: look at line 1, column {len(GOOD) + 1}."),
    "unclosed string": (b'{"' + b'\\"' * 30_000, "The body is not valid JSON: look at line 1, column 2."),
    "list": (b"[" + GOOD + b"]", "The body must be a JSON object."),
    "string": (b'"subject"', "The body must be a JSON object."),
    "null": (b"null", "The body must be a JSON object."),
    "number": (b"1", "The body must be a JSON object."),
    "not a number": (with_context("NaN"), "The body holds NaN, which is not JSON."),
    "infinity": (with_context("Infinity"), "The body holds Infinity, which is not JSON."),
    "minus infinity": (with_context("-Infinity"), "The body holds -Infinity, which is not JSON."),
    "huge integer": (with_context("9" * 5_000), "The body holds a number of more than 1,000 digits."),
    "huge float": (with_context("1e400"), "The body holds a number that is too large for any computer's arithmetic."),
    "brackets": (b"[" * 50_000, "The body is nested deeper than 32 levels."),
    "braces": (b'{"a":' * 10_000, "The body is nested deeper than 32 levels."),
    "one level too deep": (nested(DEEPEST + 1), "The body is nested deeper than 32 levels."),
    "duplicate at the top": (
        GOOD[:-1] + b', "subject": {"type": "person", "id": "thomas-reed"}}',
        "The body gives a member twice in one object.",
    ),
    "duplicate below": (with_context('{"a": 1, "\\u0061": 2}'), "The body gives a member twice in one object."),
    "byte order mark": (
        b"\xef\xbb\xbf" + GOOD,
        "The body starts with a byte order mark: send UTF-8 without one.",
    ),
    "utf-16": (GOOD.decode().encode("utf-16"), "The body must be UTF-8."),
    "utf-16 without a mark": (GOOD.decode().encode("utf-16-le"), "The body must be UTF-8."),
    "utf-32": (GOOD.decode().encode("utf-32-be"), "The body must be UTF-8."),
    "latin-1": (GOOD.replace(b"olivia", b"\xe9livia"), "The body must be UTF-8."),
    "encoded surrogate": (GOOD.replace(b"olivia", b"\xed\xa0\x80"), "The body must be UTF-8."),
    "lone surrogate": (
        GOOD.replace(b"olivia", b"\\ud800"),
        "The body holds a lone surrogate, which is half a character.",
    ),
    "lone surrogate in a name": (
        with_context('{"\\udc00": 1}'),
        "The body holds a lone surrogate, which is half a character.",
    ),
    "raw control character": (
        GOOD.replace(b"olivia", b"oli\nvia"),
        f"The body is not valid JSON: look at line 1, column {GOOD.index(b'olivia') + 4}.",
    ),
}


HARMLESS = [
    "9007199254740991",
    "-9007199254740991",
    "1.5e300",
    '"' + "[" * 40 + '"',
    '"' + r"\"" + "[" * 40 + '"',
    r'"\ud83d\ude00"',
    '"😀"',
    "[" + "[]," * 40 + "[]]",
    '{"a": [{"b": []}]}',
    '["]", "[", "{", "}", "\\"]"]',
]

TOO_LARGE = [b"[" * 100_000, b"x" * 2_000_000, GOOD + b" " * (LARGEST_BODY + 1 - len(GOOD))]

OTHER_CONTENT_TYPES = ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ";"]
JSON_CONTENT_TYPES = ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"']


def test_a_body_that_is_not_exactly_one_json_object_is_refused(send: Send, subtests: pytest.Subtests) -> None:
    for name, (body, message) in HOSTILE.items():
        with subtests.test(name):
            answer = send(body)
            assert (answer.status_code, answer.json) == (400, {"message": message})


def test_what_only_looks_hostile_is_read(send: Send, subtests: pytest.Subtests) -> None:
    for text in HARMLESS:
        with subtests.test(text):
            assert send(with_context(text)).status_code == 200


def test_a_body_may_be_as_deep_as_the_limit(send: Send) -> None:
    assert send(nested(DEEPEST)).status_code == 200


def test_a_body_that_is_too_large_is_refused(send: Send, subtests: pytest.Subtests) -> None:
    for body in TOO_LARGE:
        with subtests.test(size=len(body)):
            answer = send(body)
            assert (answer.status_code, answer.json) == (413, {"message": "The body is larger than 65,536 bytes."})


def test_a_body_may_be_as_large_as_the_limit(send: Send) -> None:
    assert send(GOOD + b" " * (LARGEST_BODY - len(GOOD))).status_code == 200


def chunked(app: Flask, body: bytes, *, terminated: bool = True) -> Any:
    """Send `body` in chunks, which is without its length, as a server hands it over."""
    return WerkzeugClient(app).open(
        "/authorize",
        method="POST",
        input_stream=io.BytesIO(body),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
        },
        environ_overrides={"wsgi.input_terminated": True} if terminated else {},
    )


def test_a_chunked_body_is_read(app: Flask) -> None:
    assert chunked(app, GOOD).json["decision"] is True


def test_a_chunked_body_that_is_too_large_is_refused_and_not_cut(app: Flask, subtests: pytest.Subtests) -> None:
    for body in TOO_LARGE:
        with subtests.test(size=len(body)):
            assert chunked(app, body).status_code == 413


def test_a_body_without_any_end_is_not_read(app: Flask) -> None:
    answer = chunked(app, GOOD, terminated=False)
    assert (answer.status_code, answer.json) == (400, {"message": "The body is empty: send a JSON object."})


def test_a_body_shorter_than_declared_is_refused(app: Flask) -> None:
    answer = WerkzeugClient(app).open(
        "/authorize",
        method="POST",
        input_stream=io.BytesIO(GOOD),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
        },
        environ_overrides={"CONTENT_LENGTH": str(len(GOOD) + 1)},
    )
    assert answer.status_code == 400
    assert list(answer.json) == ["message"]


def test_a_length_in_other_digits_is_none(app: Flask) -> None:
    answer = WerkzeugClient(app).open(
        "/authorize",
        method="POST",
        input_stream=io.BytesIO(GOOD),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        environ_overrides={"CONTENT_LENGTH": "\u00b2"},
    )
    assert (answer.status_code, answer.json) == (400, {"message": "The body is empty: send a JSON object."})


def test_another_content_type_is_refused(send: Send, subtests: pytest.Subtests) -> None:
    for content_type in OTHER_CONTENT_TYPES:
        with subtests.test(content_type):
            answer = send(GOOD, content_type=content_type)
            assert (answer.status_code, answer.json) == (
                400,
                {"message": "Send the body with Content-Type: application/json."},
            )


def test_another_charset_is_refused(send: Send, subtests: pytest.Subtests) -> None:
    for charset in ("latin-1", "utf-16", "nonsense", "utf-7"):
        with subtests.test(charset):
            answer = send(GOOD, content_type=f"application/json; charset={charset}")
            assert (answer.status_code, answer.json) == (400, {"message": "The body must be UTF-8."})


def test_a_charset_of_any_form_breaks_nothing_and_is_not_kept(send: Send) -> None:
    # Python remembers every name under which it was asked for a codec.
    known = len(encodings._cache)
    for charset in ("*=utf-8''%00", "*=utf-8''utf-8%00", "=never-heard-of", "=" + "x" * 5_000):
        answer = send(GOOD, content_type=f"application/json; charset{charset}")
        assert answer.status_code == 400, charset
        assert answer.json == {"message": "The body must be UTF-8."}
    assert len(encodings._cache) == known


@pytest.mark.parametrize("charset", ["utf8", "UTF8", "utf-8", '"UTF-8"', "utf_8", '"us-ascii"', " utf-8 "])
def test_what_means_utf_8_is_utf_8(send: Send, charset: str) -> None:
    assert send(GOOD, content_type=f"application/json; charset={charset}").status_code == 200


@pytest.mark.parametrize("path", ["/authorize", "/access/v1/search/subject", "/records/mark_scheme/7"])
def test_a_compressed_body_is_said_to_be(send: Send, mark_schemes: None, path: str) -> None:
    method = "PUT" if path.startswith("/records") else "POST"
    for encoding, status in (("gzip", 415), ("br", 415), ("identity", None), ("", None)):
        answer = send(zlib.compress(GOOD), path=path, method=method, headers={"Content-Encoding": encoding})
        assert (answer.status_code == 415) == (status == 415)


def test_json_may_be_announced_with_its_charset(send: Send, subtests: pytest.Subtests) -> None:
    for content_type in JSON_CONTENT_TYPES:
        with subtests.test(content_type):
            assert send(GOOD, content_type=content_type).status_code == 200


_NOTHING = object()


def replaced(*path: str, by: Any = _NOTHING) -> dict[str, Any]:
    """Return a question in which the member at `path` is another, or missing."""
    body = question(context={"organisation": "northfield"})
    body["resource"]["properties"] = {"organisation": "northfield"}
    parent = body
    for name in path[:-1]:
        parent = parent[name]
    if by is _NOTHING:
        del parent[path[-1]]
    else:
        parent[path[-1]] = by
    return body


REQUIRED = [
    ("subject",),
    ("subject", "type"),
    ("subject", "id"),
    ("action",),
    ("action", "name"),
    ("resource",),
    ("resource", "type"),
    ("resource", "id"),
]
OPTIONAL = [("subject", "properties"), ("action", "properties"), ("resource", "properties"), ("context",)]
ORGANISATIONS = [("resource", "properties", "organisation"), ("context", "organisation")]
TEXTS = [path for path in REQUIRED if len(path) == 2] + ORGANISATIONS
OBJECTS = [path for path in REQUIRED if len(path) == 1] + OPTIONAL


def test_a_required_member_that_is_missing_is_named(tell: Tell, subtests: pytest.Subtests) -> None:
    for path, absent in product(REQUIRED, (_NOTHING, None)):
        with subtests.test(path=path, absent=absent):
            answer = tell(replaced(*path, by=absent))
            assert (answer.status_code, answer.json) == (400, {"message": f"{'.'.join(path)} is missing."})


def test_a_text_of_another_type_is_named(tell: Tell, subtests: pytest.Subtests) -> None:
    for path, value in product(TEXTS, (7, 1.5, True, [], {}, ["olivia-marsh"])):
        with subtests.test(path=path, value=value):
            answer = tell(replaced(*path, by=value))
            assert (answer.status_code, answer.json) == (400, {"message": f"{'.'.join(path)} must be a string."})


def test_an_object_of_another_type_is_named(tell: Tell, subtests: pytest.Subtests) -> None:
    for path, value in product(OBJECTS, (7, True, "text", [], [{}])):
        with subtests.test(path=path, value=value):
            answer = tell(replaced(*path, by=value))
            assert (answer.status_code, answer.json) == (400, {"message": f"{'.'.join(path)} must be an object."})


def test_a_text_has_a_length(tell: Tell, subtests: pytest.Subtests) -> None:
    for path, value in product(TEXTS, ("", "x" * 256)):
        with subtests.test(path=path, length=len(value)):
            answer = tell(replaced(*path, by=value))
            assert answer.status_code == 400
            assert answer.json["message"].startswith(f"{'.'.join(path)} must have 1 to ")


def test_a_text_holds_no_control_characters(tell: Tell, subtests: pytest.Subtests) -> None:
    for path, character in product(TEXTS, ("\0", "\n", "\x1b", "\x7f", "\x85")):
        with subtests.test(path=path, character=character):
            answer = tell(replaced(*path, by=f"northfield{character}"))
            assert (answer.status_code, answer.json) == (
                400,
                {"message": f"{'.'.join(path)} must not contain control characters."},
            )


def test_everything_that_is_wrong_is_named_at_once(tell: Tell) -> None:
    answer = tell(question(subject={"id": 7}, action=[]))
    assert answer.json == {"message": "subject.type is missing. subject.id must be a string. action must be an object."}


def test_null_for_an_optional_member_is_as_absent(tell: Tell, subtests: pytest.Subtests) -> None:
    for path in OPTIONAL + ORGANISATIONS:
        with subtests.test(path=path):
            assert tell(replaced(*path, by=None)).json["decision"] is True


def test_unknown_members_are_ignored_wherever_they_stand(tell: Tell) -> None:
    body = question(options={"a": [1]}, context={"time": "now"}, page=7)
    for part in ("subject", "action", "resource"):
        body[part]["colour"] = "blue"
    body["resource"]["properties"] = {"status": {"a": 1}}
    assert tell(body).json["decision"] is True


def test_two_different_organisations_are_refused(tell: Tell) -> None:
    answer = tell(replaced("context", "organisation", by="westbrook"))
    assert (answer.status_code, answer.json) == (
        400,
        {"message": "context.organisation must not differ from resource.properties.organisation."},
    )


@pytest.mark.parametrize(
    "number", ["1764345600000000000", "9007199254740992", "-9007199254740992", "9" * 999, "18446744073709551616"]
)
def test_a_large_number_matters_only_where_it_is_read(send: Send, number: str) -> None:
    plain = with_context("7")
    assert send(plain).status_code == send(with_context(number)).status_code == 200
    assert send(with_context(number)).json["decision"] is send(plain).json["decision"]


SLIPS = [
    ({"resource": {"properties": {"organization": "westbrook"}}}, "resource.properties.organisation"),
    ({"resource": {"properties": {"Organisation": "westbrook"}}}, "resource.properties.organisation"),
    ({"resource": {"properties": {"organisation_id": "westbrook"}}}, "resource.properties.organisation"),
    ({"context": {"organisaton": "westbrook"}}, "context.organisation"),
    ({"context": {"organization": "westbrook", "ip": "::1"}}, "context.organisation"),
    ({"options": {"at_least_revison": 7}}, "options.at_least_revision"),
    ({"options": {"atLeastRevision": 7}}, "options.at_least_revision"),
    ({"explian": True}, "explain"),
    ({"Explain": True}, "explain"),
    ({"option": {}}, "options"),
    ({"evaluation": []}, "evaluations"),
]


@pytest.mark.parametrize(("slip", "meant"), SLIPS)
def test_a_slip_in_a_name_of_ours_is_refused_with_the_name_that_is_meant(
    tell: Tell, slip: dict[str, Any], meant: str
) -> None:
    [(member, value)] = slip.items()
    body = question("amara-lewis")
    body[member] = body[member] | value if member == "resource" else value
    answer = tell(body)
    assert (answer.status_code, meant in answer.json["message"]) == (400, True)
    # In a batch, too, whose other questions are answered.
    if member in ("resource", "context"):
        answers = tell({**question(), "evaluations": [{member: body[member]}, {}]}).json["evaluations"]
        assert [one["context"].get("error", {}).get("status") for one in answers] == [400, None]


@pytest.mark.parametrize(
    "more",
    [
        {"context": {"ip": "::1", "origin": "x", "user_agent": "y", "organs": 1}},
        {"trace": "x", "metadata": {}, "expires": 7},
        {"options": {"tracing": True}},
        {"context": {"organization": "Westbrook", "organisation": "northfield"}},
    ],
)
def test_any_other_name_is_ignored(tell: Tell, more: dict[str, Any]) -> None:
    assert tell(question() | more).status_code == 200


def test_two_names_of_one_organisation_agree(tell: Tell) -> None:
    body = question("thomas-reed")
    for one, other, status in (
        ("90101", "northfield", 200),
        ("northfield", "90101", 200),
        ("northfield", "westbrook", 400),
        ("nowhere", "northfield", 400),
    ):
        both = body | {"context": {"organisation": one}}
        both["resource"] = body["resource"] | {"properties": {"organisation": other}}
        answer = tell(both)
        assert answer.status_code == status
        assert status == 400 or answer.json["decision"] is True


@pytest.mark.parametrize("written", ["é", "e\u0301"], ids=["composed", "decomposed"])
@pytest.mark.parametrize("asked", ["é", "e\u0301"], ids=["composed", "decomposed"])
def test_a_text_is_the_same_however_it_is_composed(
    send: Send, tell: Tell, mark_schemes: None, written: str, asked: str
) -> None:
    body = json.dumps({"properties": {f"caf{written}": f"caf{written}", "open": True}}, ensure_ascii=False).encode()
    assert send(body, path=f"/records/mark_scheme/caf{quote(written)}", method="PUT").status_code == 200
    shown = send(b"", path=f"/records/mark_scheme/caf{quote(asked)}", method="GET").json
    assert (shown["id"], shown["properties"]) == ("café", {"café": "café", "open": True})
    question_about = question("thomas-reed", "approve", resource={"type": "mark_scheme", "id": f"caf{asked}"})
    for escaped in (False, True):
        sent = json.dumps(question_about, ensure_ascii=escaped).encode()
        assert send(sent).json["decision"] is True


PILE = "a" + "\u0301" * 15_000 + "\u0327" * 15_000


@pytest.mark.parametrize("body", [{"context": {"x": PILE}}, {"context": {PILE: 1}}], ids=["value", "name"])
def test_a_character_with_thousands_of_accents_is_refused_at_once(send: Send, tell: Tell, body: dict[str, Any]) -> None:
    began = thread_time()
    answer = send(json.dumps(question(**body), ensure_ascii=False).encode())
    assert thread_time() - began < 0.2
    assert answer.status_code == 400
    assert answer.json == {"message": "The request holds a character with more than 30 accents."}
    assert tell(question(context={"x": "a" + "\u0301" * 30 + "b" + "\u0327" * 30})).status_code == 200


def test_two_names_that_are_one_when_composed_are_refused(send: Send) -> None:
    body = json.dumps(question(context={"é": 1, "e\u0301": 2})).encode()
    assert send(body).status_code == 400
