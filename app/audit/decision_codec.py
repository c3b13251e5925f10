"""How the decision log stores decisions: what is written, what is found again, and the format between."""

import hashlib
import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.vocabulary import Reason

Steps = Sequence[tuple[str, str]]
"""Questions and their answers, in the order in which they were asked."""

LoggedDecision = tuple[str, str, str, str, bool, Reason, str, int, int | Steps | None]
"""One decision: subject, action, resource, organisation, allowed, reason, policy, nanoseconds, leaf.

`subject` and `organisation` are public references, never a name or an address: a subject that cannot be resolved is
`unknown`, an organisation is empty. `leaf` is the number of the leaf in the policy's recording of this process, or the
steps themselves for a decision that was not recorded. A plain tuple, because there are very many of them.
"""

LoggedRequest = tuple[int, float, str, int, Sequence[LoggedDecision]]
"""One request: its number, the time in seconds since 1970, the client, the revision, and the decisions that answered
it."""

LeafReference = tuple[str, int | Steps]
"""A policy and the number of a leaf in its recording, which is meaningful only in the process whose recording it is; or
the steps to a decision that was not recorded."""

PathReference = tuple[str, int, str]
"""A policy, the number of a leaf in its recording, and the digest of the path to it."""

NamedPath = tuple[str, str, Steps]
"""The digest of a path, its policy, and its steps."""

_DECISIONS_PER_TEXT = 200
"""No other thread runs while a text is encoded, so each must be short."""
_COMPRESSION_LEVEL = 1
"""Removes most of what is repeated; higher levels take twice as long."""

# Nothing in a request can contain itself.
_text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class DecisionRecord(NamedTuple):
    """One answered decision, found by its `id`: its writer, the number of its request, and its position there."""

    id: str
    at: datetime
    client: str
    subject: str
    action: str
    resource: str
    organisation: str
    """The public id of the organisation that was asked about, if one was."""
    allowed: bool
    reason: Reason
    policy: str
    revision: int
    milliseconds: float
    steps: Steps | None
    """What was read, with its value; None where that was not kept."""


class Packed(NamedTuple):
    """One decision as it is in a payload, with the digest of the path that led to it."""

    entry: Sequence[Any]
    item: Sequence[Any]
    path: str | None


def items_in(entries: Iterable[LoggedRequest]) -> int:
    """Return how many decisions `entries` hold."""
    return sum(len(entry[4]) for entry in entries)


def leaves_in(entries: Iterable[LoggedRequest]) -> set[LeafReference]:
    """Return the leaves of all decisions in `entries`."""
    return {(item[6], item[8]) for entry in entries for item in entry[4] if item[8] is not None}


def entries_text(entries: Sequence[LoggedRequest], paths: Mapping[LeafReference, str]) -> bytes:
    """Return `entries` as JSON texts with commas between them; `paths` has the digests of the paths to their leaves."""
    plain = [_without_steps(entry, paths) for entry in entries]
    return b",".join(_text(some)[1:-1].encode() for some in _in_short_texts(plain))


def pack(texts: Iterable[bytes], references: Iterable[PathReference]) -> bytes:
    """Return what is stored of the entries in `texts` (see `entries_text`), whose leaves stand for `references`."""
    stream = zlib.compressobj(_COMPRESSION_LEVEL)
    parts = [stream.compress(b'{"entries":[')]
    for number, text in enumerate(texts):
        parts.append(stream.compress(b"," * (number > 0) + text))
    parts += [stream.compress(f'],"paths":{_text(list(references))}}}'.encode()), stream.flush()]
    return b"".join(parts)


def without(text: bytes, numbers: Collection[int]) -> bytes:
    """Return entries (see `entries_text`) without the requests with these `numbers`."""
    return _text([entry for entry in json.loads(b"[%b]" % text) if entry[0] not in numbers])[1:-1].encode()


def unpack(payload: bytes, number: int, place: int) -> Packed | None:
    """Return the decision at a position, counted from 1, of the request with this number, or None."""
    stored = json.loads(zlib.decompress(payload))
    return _packed_in(stored["entries"], stored["paths"], number, place)


def unpack_text(text: bytes, references: Iterable[PathReference], number: int, place: int) -> Packed | None:
    """Return the same as `unpack` of entries as text (see `entries_text`), whose leaves stand for `references`."""
    return _packed_in(json.loads(b"[%b]" % text), references, number, place)


def _packed_in(
    entries: Iterable[Sequence[Any]], references: Iterable[PathReference], number: int, place: int
) -> Packed | None:
    """Return the same as `unpack` of entries that are at hand."""
    for entry in entries:
        if entry[0] == number and place <= len(entry[4]):
            item = entry[4][place - 1]
            paths = {(policy, leaf): digest for policy, leaf, digest in references}
            return Packed(entry, item, item[8] if isinstance(item[8], str) else paths.get((item[6], item[8])))
    return None


def record_of(decision_id: str, packed: Packed, steps: Steps | None) -> DecisionRecord:
    """Return a decision for people and programs to read."""
    _number, at, client, revision, _items = packed.entry
    subject, action, resource, organisation, allowed, reason, policy, nanoseconds, _leaf = packed.item
    return DecisionRecord(
        decision_id,
        datetime.fromtimestamp(at, UTC),
        client,
        subject,
        action,
        resource,
        organisation,
        allowed,
        Reason(reason),
        policy,
        revision,
        nanoseconds / 1e6,
        steps,
    )


def path_digest(policy: str, steps: Steps) -> str:
    """Return the digest of a path: the same in every process, although the numbers of leaves differ."""
    return hashlib.sha256(_text([policy, steps]).encode()).hexdigest()[:32]


def _without_steps(entry: LoggedRequest, paths: Mapping[LeafReference, str]) -> Sequence[Any]:
    """Return an entry with the digest of each path in place of the path itself."""
    if all(type(item[8]) is not tuple for item in entry[4]):
        return entry
    items = [(*item[:8], paths.get((item[6], item[8])) if type(item[8]) is tuple else item[8]) for item in entry[4]]
    return (*entry[:4], items)


def _in_short_texts(entries: Sequence[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    some: list[Sequence[Any]] = []
    held = 0
    for entry in entries:
        some.append(entry)
        held += len(entry[4])
        if held >= _DECISIONS_PER_TEXT:
            yield some
            some, held = [], 0
    if some:
        yield some
