"""The quick reader reads what the schemas read."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.errors import InvalidRequestError
from app.api.wire import near_misses
from app.api.wire.request_reader import read_by_schema, read_evaluation, read_evaluations, read_quickly
from app.api.wire.requests import LARGEST_REVISION, Batch, EvaluationRequest, FailedItem, Semantic
from app.api.wire.responses import Answer, answer_json, answers_json
from app.api.wire.schemas.answers import AnswerSchema
from app.authz.decision_point import Decision
from app.config import ROOT
from app.vocabulary import REASON_SENTENCES, Reason
from tests.api.conftest import question

UNUSUAL = st.sampled_from([None, "", "x" * 300, "a\nb", "\x85", 7, -1, 1.5, True, [], {}, [{}], "northfield"])
JSON = st.recursive(UNUSUAL, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2))
TEXT = st.sampled_from(
    ["person", "service", "role", "record", "olivia-marsh", "ünïcödé", "x" * 60, "with a space", "a\u00a0b"]
)
PROPERTIES = st.dictionaries(st.sampled_from(["organisation", "status", "role"]), TEXT | UNUSUAL, max_size=2)


def members(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with these members, each of which may be missing or be something else."""
    return st.fixed_dictionaries({}, optional={name: kind | UNUSUAL for name, kind in kinds.items()})


def usually(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(kind, kind, kind, UNUSUAL)


ENTITY = st.fixed_dictionaries({"type": TEXT, "id": TEXT}, optional={"properties": usually(PROPERTIES)})
ACTION = st.fixed_dictionaries({"name": TEXT}, optional={"properties": usually(PROPERTIES)})
OPTIONS = members(at_least_revision=st.integers(-2, 2**54), evaluations_semantic=TEXT)
PARTS = {
    "subject": usually(ENTITY | members(type=TEXT, id=TEXT)),
    "action": usually(ACTION | members(name=TEXT)),
    "resource": usually(ENTITY | members(type=TEXT, id=TEXT)),
    "context": usually(PROPERTIES),
}
BODY = st.fixed_dictionaries({}, optional={**PARTS, "options": usually(OPTIONS), "colour": UNUSUAL})


def read_slowly(body: Any) -> EvaluationRequest | str:
    """Return the evaluation in `body`, or the message that says what is wrong with it."""
    try:
        return read_by_schema(body)
    except InvalidRequestError as error:
        return error.message


def read_item(item: EvaluationRequest | FailedItem) -> EvaluationRequest | str:
    return item.error.message if isinstance(item, FailedItem) else item


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(body=BODY)
def test_an_evaluation_is_read_quickly_as_by_its_schema(body: dict[str, Any]) -> None:
    plain = read_quickly(body)
    assert plain is None or plain == read_slowly(body)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(top=st.fixed_dictionaries({}, optional=PARTS), items=st.lists(BODY | UNUSUAL, min_size=1, max_size=4))
def test_an_item_of_a_batch_is_read_as_the_question_that_it_makes_with_the_top(
    top: dict[str, Any], items: list[Any]
) -> None:
    batch = read_evaluations(top | {"evaluations": items}, limit=4)
    assert isinstance(batch, Batch)
    for item, read in zip(items, batch.items, strict=True):
        if not isinstance(item, dict):
            assert read_item(read) == "An evaluation must be an object."
            continue
        whole = {**top, **{name: item[name] for name in PARTS if item.get(name) is not None}}
        assert read_item(read) == read_slowly(whole)


def test_a_usual_evaluation_is_read_quickly() -> None:
    context = {"organisation": "northfield"}
    for body in (question(), question(context=context), question(options={"at_least_revision": 7})):
        assert read_quickly(body) is not None


def test_questions_that_only_look_alike_are_told_apart() -> None:
    def resource(**properties: Any) -> dict[str, Any]:
        return {"resource": {"type": "service", "id": "training", **properties}}

    looks = [
        resource(properties={"locked": True}),
        resource(properties={"locked": 1}),
        resource(properties={}),
        resource(),
        resource(),
        resource(properties=None),
        resource(colour=1),
        resource(colour=True),
        resource(properties={"locked": 1.0}),
    ]
    batch = read_evaluations({**question(), "evaluations": looks}, limit=len(looks))
    assert isinstance(batch, Batch)
    read = [repr(read_slowly({**question(), **one})) for one in looks]
    assert [repr(item) for item in batch.items] == read


def test_a_revision_that_is_none_is_left_to_the_schema() -> None:
    for revision in (-1, LARGEST_REVISION + 1, "7", True, 1.0, None):
        assert read_quickly(question(options={"at_least_revision": revision})) is None
    assert read_evaluation(question(options=[])) == read_quickly(question())


def test_the_questions_of_a_batch_share_what_stands_at_the_top() -> None:
    batch = read_evaluations({**question(), "evaluations": [{}, {}]}, limit=2)
    assert isinstance(batch, Batch)
    first, second = batch.items
    assert isinstance(first, EvaluationRequest)
    assert isinstance(second, EvaluationRequest)
    assert first.subject is second.subject
    assert batch.semantic is Semantic.EXECUTE_ALL


NAMES = {f"organ{number:09}": number for number in range(2_000)}
LARGE = {
    "a context": {"context": NAMES},
    "a context with a slip": {"context": {**NAMES, "organization": 1}},
    "a resource": {"resource": {**question()["resource"], "properties": NAMES}},
    "an unusual resource": {"resource": {**question()["resource"], "id": "\u2028", "properties": NAMES}},
    "a context of what is unusual": {"context": NAMES, "action": {"name": "\u2028"}},
    "a context of what is wrong": {"context": NAMES, "action": {"name": 1}},
}


@pytest.mark.parametrize("sort", LARGE)
def test_what_a_hundred_questions_have_in_common_is_read_once(sort: str) -> None:
    def looked_at() -> int:
        info = near_misses._nearly.cache_info()
        return info.hits + info.misses

    before = looked_at()
    read_evaluations({**question(), **LARGE[sort], "evaluations": [{}] * 100}, limit=100)
    assert looked_at() - before < 3 * len(NAMES)


def test_an_answer_is_written_as_by_its_schema() -> None:
    for reason in Reason:
        for allowed in (True, False):
            answer = Answer("a%s-7", Decision(allowed, reason, "16db%d9f362d28"), 4711)
            message = {
                "decision": allowed,
                "context": {
                    "id": answer.id,
                    "policy": "16db%d9f362d28",
                    "revision": 4711,
                    "reason": {"code": reason, "sentence": REASON_SENTENCES[reason]},
                },
            }
            assert answer_json(answer) == json.dumps(AnswerSchema().dump(message)).encode()
            assert json.loads(answers_json([answer, answer])) == {
                "evaluations": [AnswerSchema().dump(message)] * 2,
            }


FIRST_READERS = """
import sys, threading
sys.setswitchinterval(1e-6)
from app.api.wire.request_reader import read_evaluation, read_evaluations
part = {"type": "person", "id": "a"}
body = {"subject": part, "action": {"name": "launch"}, "resource": {"type": "service", "id": "s"}}
start = threading.Barrier(16)

def read():
    start.wait()
    read_evaluation(body)
    read_evaluations({**body, "evaluations": [{}, {}]}, limit=2)

threads = [threading.Thread(target=read) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.slow
def test_the_first_readers_of_a_process_do_not_crash_it() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FIRST_READERS], cwd=ROOT, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
