"""The source of a policy: its files, read and parsed once, for the linter and the engine alike."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from unicodedata import normalize

from polar import ffi

from app.authz.engine.errors import PolicyError
from app.authz.engine.sandbox import RESERVED_NAMES
from app.authz.facts import KINDS, Context, Fact, declared_kind
from app.authz.polar.parser import parse
from app.authz.polar.syntax import Location, PolarFile, SourceError
from app.kernel.files import is_left_over

_OF_THE_REQUEST = frozenset(name for name, kind in Context.FIELDS.items() if kind == "Properties")


class UnreadableFileError(SourceError):
    """A file cannot be opened, or is not UTF-8."""


class DuplicateFileError(SourceError):
    """Two folders of a policy have a file of the same name."""


@dataclass(frozen=True, slots=True)
class PolicySource:
    """The files of a policy, in the order of their names, from a base folder and from packs that extend it.

    `texts` holds the files as oso takes them, `files` their syntax trees, and `errors` what is wrong with the files
    that have none. `base` holds the names of the files in the base folder.
    """

    texts: tuple[ffi.PolarSource, ...]
    files: tuple[PolarFile, ...]
    errors: tuple[SourceError, ...]
    base: frozenset[str]

    @classmethod
    def read(cls, *folders: Path) -> Self:
        """Return the `*.polar` files of `folders`, the first of which is the base policy, but none that an editor left.

        Raises PolicyError if a folder does not exist.
        """
        for folder in folders:
            if not folder.is_dir():
                raise PolicyError(f"There is no policy folder {folder.name}.")
        found = ((number, path) for number, folder in enumerate(folders) for path in folder.glob("*.polar"))
        paths = sorted((path.name, number, path) for number, path in found if not is_left_over(path))
        base = frozenset(name for name, number, _path in paths if number == 0)
        texts: dict[str, ffi.PolarSource] = {}
        files: list[PolarFile] = []
        errors: list[SourceError] = []
        for name, _number, path in paths:
            try:
                if name in texts:
                    raise DuplicateFileError(Location(name, 1, 1), "The base policy has a file of this name already.")
                texts[name] = ffi.PolarSource(_decode(name, path), name)
                files.append(parse(name, texts[name].src))
            except SourceError as error:
                errors.append(error)
        return cls(tuple(texts.values()), tuple(files), tuple(errors), base)

    @property
    def is_empty(self) -> bool:
        """Whether no file declares or allows anything."""
        return all(file.is_empty for file in self.files)

    @property
    def digest(self) -> str:
        """A short hash of exactly these files with exactly this content."""
        content = json.dumps([[text.filename, text.src] for text in self.texts])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def reads_request(self) -> bool:
        """Whether any rule may read what a caller sends about the action or the request; most policies never do."""
        terms = (
            term
            for file in self.files
            for rule in file.rules
            for term in (*(one.pattern for one in rule.parameters), rule.body)
            if term is not None
        )
        nodes = (node for term in terms for node in term.walk())
        return any(node.kind in ("field", "entry") and node.text in _OF_THE_REQUEST for node in nodes)

    @property
    def kinds(self) -> dict[str, type[Fact]]:
        """Every kind of fact that the policy can speak about, by its name."""
        names = {block.name for file in self.files for block in file.blocks} - KINDS.keys() - RESERVED_NAMES
        return {name: declared_kind(name) for name in names} | KINDS

    @property
    def subject_kinds(self) -> frozenset[str]:
        """The names of the types of subjects that only the policy declares."""
        names = {block.name for file in self.files for block in file.blocks if block.kind == "actor"}
        return frozenset(names - KINDS.keys() - RESERVED_NAMES)

    def permissions(self, *, base_only: bool = False) -> dict[str, frozenset[str]]:
        """Return the permissions that each resource block declares, by its name."""
        return {
            block.name: frozenset(permission.text for permission in block.permissions)
            for file in self.files
            if file.name in self.base or not base_only
            for block in file.blocks
            if block.kind == "resource"
        }


def policy_folders(policies: Path, pack: Path | None) -> tuple[Path, ...]:
    """Return the folders with the rules of a base policy and of a pack, which may be without rules."""
    rules = () if pack is None else (pack / "policies",)
    return (policies, *(folder for folder in rules if folder.is_dir()))


def _decode(name: str, path: Path) -> str:
    try:
        # What callers send is composed, too, so that a constant in a rule equals it.
        return normalize("NFC", path.read_bytes().decode())
    except OSError as error:
        raise UnreadableFileError(Location(name, 0, 0), f"The file cannot be opened: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        raise UnreadableFileError(Location(name, line, column), "The file is not UTF-8.") from None
