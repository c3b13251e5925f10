"""The files to which decisions are written first, so that no answer waits for a database.

Each process appends to a file of its own in `decisions/` in DATA_DIR, and begins another one every few seconds. It
holds the lock of the file that it appends to; the system releases the lock when the process ends, however it ends. So a
file that can be locked is complete, and whichever process locks it first moves it to where decisions are kept
(`audit.decision_store`) and deletes it. What a killed process has left is moved in the same way.

A file consists of frames. Of one that was written in part, when a disk was full or a machine lost its power, the
checksum is wrong, and nothing after it counts.
"""

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from app import runtime
from app.audit.decision_codec import NamedPath, PathReference
from app.kernel.files import sync_folder

_HEADER = struct.Struct("<IIIqqdd")
"""Length and checksum of the rest; and of the decisions in it: how many, numbers and times of first and last."""
_SUFFIX = ".journal"


class Frame(NamedTuple):
    """Decisions that were written together, in answer to requests with the numbers from `first` to `last`."""

    size: int
    """How many decisions they are."""
    first: int
    last: int
    started_at: float
    """In seconds since 1970, like `ended_at`."""
    ended_at: float
    entries: bytes
    """The requests with their decisions, as JSON texts with commas between them."""
    references: Sequence[PathReference]
    """By which leaf which path is meant, as far as no earlier frame of the file says so."""
    paths: Sequence[NamedPath]
    """Those of `references` with their steps."""
    withdrawn: Sequence[int]
    """Numbers of requests in this or an earlier frame of the file that were refused in the end."""


class Segment:
    """A file of the journal that this process appends to. One thread may append while another one syncs.

    A `number` is for one file of its writer: a name never means another file. Raises OSError when it cannot be made,
    and FileExistsError when one with another number may be.
    """

    def __init__(self, writer: str, number: int, begun: float) -> None:
        self.begun = begun
        """When it was begun, on the clock of its owner."""
        self.size = 0
        """How many decisions it holds."""
        self.digests: dict[tuple[str, int], str] = {}
        """Which leaves stand for which paths in it."""
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = _new_file(writer, number)
        self._length = self._synced = 0
        self._is_named = self._is_closed = False

    def append(self, frame: Frame) -> None:
        """Write a frame. Raises OSError when it cannot be written, and then nothing of it counts."""
        data = memoryview(_packed(frame))
        end = self._length
        # Whatever a failed write has left.
        os.ftruncate(self._file, self._length)
        while data:
            written = os.write(self._file, data)
            data, end = data[written:], end + written
        self._length = end
        self.size += frame.size

    def sync(self) -> None:
        """Have what was appended survive the loss of power. Raises OSError."""
        length = self._length
        if length > self._synced and not self._is_closed:
            os.fdatasync(self._file)
            if not self._is_named:
                sync_folder(folder())
                self._is_named = True
            self._synced = length

    def close(self) -> None:
        """Append no more, and let any process move what is in it."""
        self._is_closed = True
        os.close(self._file)


def folder() -> Path:
    """Return the folder of the journal."""
    return runtime.settings().data_dir / "decisions"


def segments(writer: str = "*") -> list[Path]:
    """Return the files of the journal, or those of one `writer`."""
    return sorted(folder().glob(f"{writer}-*{_SUFFIX}"))


def writer_of(path: Path) -> str:
    """Return the writer of a file."""
    return path.name.partition("-")[0]


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Lock a file for the block, and say whether that was possible: no process appends to it or moves it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _is_locked_now(file)
    finally:
        os.close(file)


def is_in_use(path: Path) -> bool:
    """Return whether a process appends to a file, or moves it."""
    with claimed(path) as is_free:
        return not is_free and path.exists()


def frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a file, in order; none of a file that is gone."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum, size, first, last, started_at, ended_at = _HEADER.unpack(header)
            body = file.read(length)
            if len(body) != length or zlib.crc32(header[8:] + body) != checksum:
                return
            entries, rest = body.split(b"\n")
            yield Frame(size, first, last, started_at, ended_at, entries, *json.loads(rest))


def _packed(frame: Frame) -> bytes:
    rest = json.dumps([frame.references, frame.paths, frame.withdrawn], separators=(",", ":"))
    body = b"\n".join([frame.entries, rest.encode()])
    header = _HEADER.pack(len(body), 0, *frame[:5])
    checksum = zlib.crc32(header[8:] + body)
    return _HEADER.pack(len(body), checksum, *frame[:5]) + body


def _new_file(writer: str, number: int) -> int:
    file = os.open(_path(writer, number), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    if _is_locked_now(file):
        return file
    # Another process has found it without its lock, and deletes it as empty.
    os.close(file)
    raise FileExistsError


def _path(writer: str, number: int) -> Path:
    return folder() / f"{writer}-{number:09}{_SUFFIX}"


def _is_locked_now(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0
