"""Writes the batches of one process into its files of the journal."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic

from app.audit.decision_codec import (
    LeafReference,
    LoggedRequest,
    Steps,
    entries_text,
    items_in,
    leaves_in,
    path_digest,
)
from app.audit.journal import Frame, Segment

_SEGMENT_SECONDS = 10
"""How long a process appends to one file, which can be moved after that."""
_SHORT_SEGMENT_SECONDS = 1
"""The same for a file that has become long."""
_LONG = 5000
"""Decisions."""
_TRIES = 10

_log = logging.getLogger(__name__)


class DecisionWriter:
    """Appends the batches of `writer` to a file, and begins another one now and then.

    One thread writes, and another one may `sync`. `steps_of` returns the steps to a leaf, or None; without it, steps
    are not stored. Whatever raises OSError can be tried again.
    """

    def __init__(self, writer: str, steps_of: Callable[[str, int], Steps | None] | None) -> None:
        self._writer = writer
        self._numbers = count(1)
        self._steps_of = steps_of
        self._segment: Segment | None = None
        self._finished: deque[Segment] = deque()
        """Those that are appended to no more, and wait for the disk."""
        self._is_suspect = False
        """Whether the disk may have lost what it was given."""

    def begin_segment(self, *, is_settled: bool) -> None:
        """Begin a file if there is none, or if its time is over. Raises OSError.

        `is_settled` says that of everything written before it is certain whether it was answered: what is withdrawn is
        withdrawn in the file that it is in.
        """
        segment = self._segment
        if segment is not None:
            age = monotonic() - segment.begun
            is_over = age > (_SHORT_SEGMENT_SECONDS if segment.size >= _LONG else _SEGMENT_SECONDS)
            if not self._is_suspect and not (is_settled and is_over and segment.size):
                return
        self._begin()

    def append(self, batch: Sequence[LoggedRequest], withdrawn: Collection[int] = ()) -> None:
        """Write a batch of requests, and the numbers of earlier ones that were refused. Raises OSError."""
        digests, paths = self._paths(batch)
        references = [(policy, leaf, digest) for (policy, leaf), digest in digests.items() if isinstance(leaf, int)]
        segment = self._segment
        if segment is None or any(segment.digests.get(one[:2], one[2]) != one[2] for one in references):
            # A policy that is loaded again numbers its leaves again.
            segment = self._begin()
        new = [one for one in references if one[:2] not in segment.digests]
        known = set(segment.digests.values())
        numbers = [entry[0] for entry in batch]
        times = [entry[1] for entry in batch]
        segment.append(
            Frame(
                size=items_in(batch),
                first=min(numbers, default=0),
                last=max(numbers, default=0),
                started_at=min(times, default=0),
                ended_at=max(times, default=0),
                entries=entries_text(batch, digests),
                references=new,
                paths=[(digest, *path) for digest, path in paths.items() if digest not in known],
                withdrawn=list(withdrawn),
            )
        )
        segment.digests.update({(policy, leaf): digest for policy, leaf, digest in new})

    def sync(self) -> None:
        """Have the disk keep all that was written before. Raises OSError."""
        # In this order: a file is among the finished before the next one is begun.
        segment = self._segment
        while self._finished:
            finished = self._finished.popleft()
            try:
                finished.sync()
            finally:
                finished.close()
        if segment is not None:
            try:
                # It may just have been finished here.
                segment.sync()
            except OSError:
                # What it was given before may be lost, whatever it says next time.
                self._is_suspect = True
                raise

    def close(self) -> None:
        """Let go of the files; others may move them."""
        while self._finished:
            self._finished.popleft().close()
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _begin(self) -> Segment:
        begun = self._new_segment()
        if self._segment is not None:
            self._finished.append(self._segment)
        self._segment = begun
        self._is_suspect = False
        return begun

    def _new_segment(self) -> Segment:
        for _ in range(_TRIES):
            # Another process that looks for files to move may take a new one for one that is left.
            with suppress(FileExistsError):
                return Segment(self._writer, next(self._numbers), monotonic())
        raise FileExistsError

    def _paths(self, batch: Sequence[LoggedRequest]) -> tuple[dict[LeafReference, str], dict[str, tuple[str, Steps]]]:
        """Return the digests of the paths in `batch`, and the paths by digest."""
        digests: dict[LeafReference, str] = {}
        paths: dict[str, tuple[str, Steps]] = {}
        for leaf in leaves_in(batch) if self._steps_of else ():
            steps = self._steps(leaf)
            if steps is not None:
                digest = digests[leaf] = path_digest(leaf[0], steps)
                paths[digest] = (leaf[0], steps)
        return digests, paths

    def _steps(self, leaf: LeafReference) -> Steps | None:
        policy, number_or_steps = leaf
        if not isinstance(number_or_steps, int):
            return number_or_steps
        assert self._steps_of is not None
        try:
            return self._steps_of(policy, number_or_steps)
        except Exception as error:  # noqa: BLE001  (the decision is logged even if its steps cannot be)
            _log.error("the steps to a decision could not be found: %s", type(error).__name__)
            return None
