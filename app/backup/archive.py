"""The file of a backup: a ZIP archive with the data, and a manifest that says what it is."""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, convert, to_builtins

from app.kernel.errors import ProblemError
from app.kernel.files import sync_folder

MANIFEST = "manifest.json"
JOURNAL = "journal/"
"""Under which name the decisions are that were not yet moved to where they are kept."""
_FORM = 1
_COMPRESSION = 1
"""Quick: a backup of a gigabyte is not to take minutes."""


class Manifest(Struct):
    """What a backup is of."""

    kind: str
    """`sqlite` or `postgresql`."""
    made_at: str
    """In ISO form, UTC."""
    migrations: list[str]
    """What had been applied to the database."""
    form: int = _FORM


@contextmanager
def written(target: Path, manifest: Manifest) -> Iterator[zipfile.ZipFile]:
    """Write an archive that is at `target` once the block has ended, for its owner alone, whole or not at all.

    Raises `ProblemError` when there is something at `target` already.
    """
    if target.exists():
        raise ProblemError(f"There is something at {target} already. Choose another name.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            open(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file,  # noqa: PTH123  (no other user may read it)
        ):
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
                archive.writestr(MANIFEST, json.dumps(to_builtins(manifest)))
                yield archive
            file.flush()
            os.fsync(file.fileno())
        # A link, and no replacing: whatever came to be at the target meanwhile stays.
        os.link(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)


@contextmanager
def opened(source: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """Open a backup for the block, once all of it was read and is as it was written.

    Raises `ProblemError` when it is no backup, or damaged.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            damaged = archive.testzip()
            manifest = _manifest(json.loads(archive.read(MANIFEST)))
            if damaged is not None:
                raise ProblemError(f"{source} is damaged, in {damaged}. Take another backup.")
            yield archive, manifest
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        raise ProblemError(f"{source} is no backup of Tessera, or it is damaged. Take another one.") from error


def extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Write what is called `name` to a new file at `target`, for its owner alone, and sync it."""
    with suppress(FileNotFoundError):
        target.unlink()
    with (
        archive.open(name) as source,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,  # noqa: PTH123  (no other user may read it)
    ):
        while chunk := source.read(1 << 20):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _manifest(members: Mapping[str, Any]) -> Manifest:
    manifest = convert(members, Manifest)
    if manifest.form != _FORM:
        raise ProblemError("This backup was made by a later release of Tessera. Restore it with that one.")
    return manifest
