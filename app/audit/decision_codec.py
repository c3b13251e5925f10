"""Answered decisions as the log keeps them: what a caller hands in, what is found again, and the form between."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.vocabulary import Reason

Steps = Sequence[tuple[str, str]]
"""Questions and their answers, in the order in which they were asked."""

Item = tuple[str, str, str, str, bool, Reason, str, int, int | Steps | None]
"""One decision: subject, action, resource, organisation, allowed, reason, policy, nanoseconds, leaf.

`subject` and `organisation` are public references, never a name or an address: what resolves to nobody is `unknown`
and nothing. `leaf` is where the policy's recording of this process holds how the decision came about, or, where it does
not, how that was. A plain tuple, because one is made for each of very many decisions.
"""

Entry = tuple[int, float, str, int, Sequence[Item]]
"""One request: its number, the time in seconds since 1970, the client, the revision, and the decisions that it was
answered with."""

Leaf = tuple[str, int | Steps]
"""A policy and the number of a leaf in its recording, which means something only in the process whose recording it is;
or what led to a decision that is in none."""

_ITEMS_AT_ONCE = 200
"""Nothing else runs in the process while a text is made, and that must be short."""
_FAST = 1
"""How hard to compress: what is repeated most goes already, and more takes twice as long."""

# Nothing in an entry can hold itself.
_text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class DecisionRecord(NamedTuple):
    """One answered decision, found again by its `id`: its writer, the number of its request, and its place there."""

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
    """What was read and what it said; None where that was not kept."""


class Packed(NamedTuple):
    """One decision as it stands in a payload, with the digest of the path that led to it."""

    entry: Sequence[Any]
    item: Sequence[Any]
    path: str | None


def items_in(entries: Iterable[Entry]) -> int:
    """Return how many decisions `entries` hold."""
    return sum(len(entry[4]) for entry in entries)


def leaves_in(entries: Iterable[Entry]) -> set[Leaf]:
    """Return every leaf that one of the decisions came to."""
    return {(item[6], item[8]) for entry in entries for item in entry[4] if item[8] is not None}


def pack(entries: Sequence[Entry], paths: Mapping[Leaf, str]) -> bytes:
    """Return `entries` in the form in which they are stored; `paths` has the digests of the paths to their leaves."""
    plain = [_without_steps(entry, paths) for entry in entries]
    stream = zlib.compressobj(_FAST)
    parts = [stream.compress(b'{"entries":[')]
    for number, some in enumerate(_in_short_texts(plain)):
        # The brackets of the list of some are not those of the list of all.
        parts.append(stream.compress(b"," * (number > 0) + _text(some)[1:-1].encode()))
    found = [[*leaf, digest] for leaf, digest in paths.items() if isinstance(leaf[1], int)]
    parts += [stream.compress(f'],"paths":{_text(found)}}}'.encode()), stream.flush()]
    return b"".join(parts)


def unpack(payload: bytes, number: int, place: int) -> Packed | None:
    """Return the decision at a place, counted from 1, of the request with this number, or None."""
    stored = json.loads(zlib.decompress(payload))
    for entry in stored["entries"]:
        if entry[0] == number and place <= len(entry[4]):
            item = entry[4][place - 1]
            paths = {(policy, leaf): digest for policy, leaf, digest in stored["paths"]}
            return Packed(entry, item, item[8] if isinstance(item[8], str) else paths.get((item[6], item[8])))
    return None


def record_of(decision_id: str, packed: Packed, steps: Steps | None) -> DecisionRecord:
    """Return a decision as people and programs read it."""
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
    """Return the name of a path: the same in every process, whose leaves have numbers of their own."""
    return hashlib.sha256(_text([policy, steps]).encode()).hexdigest()[:32]


def _without_steps(entry: Entry, paths: Mapping[Leaf, str]) -> Sequence[Any]:
    """Return an entry with the digest of a path in the place of the path itself."""
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
        if held >= _ITEMS_AT_ONCE:
            yield some
            some, held = [], 0
    if some:
        yield some
