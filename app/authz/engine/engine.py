"""One loaded policy, and the one question that it answers.

A failed load would leave oso with an empty rule base, so a policy is loaded into a new engine or not at all. What was
decided before is replayed; whatever goes wrong on the way to an answer is a `PolicyError`.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from polar import ffi

from app.authz.engine.proof import Proof, Prover
from app.authz.engine.replay import Conversation, Recording
from app.authz.engine.sandbox import GuardedOso, PolicyError, runtime_problem
from app.authz.engine.tree import Leaf
from app.authz.engine.tree import Path as Conversed
from app.authz.facts import KINDS, Context, Fact, declared_kind
from app.authz.polar import parser
from app.kernel import clock


class Engine:
    """One policy, loaded once and never changed; any number of threads may ask it.

    `digest` names the policy by its content; `permissions` holds what each resource block declares; `kinds` every kind
    of fact by its name, those that the policy itself declares included.
    """

    def __init__(
        self, oso: GuardedOso, digest: str, sources: Sequence[ffi.PolarSource], files: Sequence[parser.PolarFile]
    ) -> None:
        self._oso = oso
        self._sources = sources
        self._files = files
        # oso raises about a rule base without any rule; a policy that says nothing allows nothing.
        self._is_empty = all(file.is_empty for file in files)
        self.recording = Recording()
        self.digest = digest
        self.kinds = kinds_of(files)
        self.permissions = {
            block.name: frozenset(permission.text for permission in block.permissions)
            for file in files
            for block in file.blocks
            if block.sort == "resource"
        }

    @classmethod
    def load(cls, *folders: Path) -> Self:
        """Return a new engine with all `*.polar` files of `folders`. Raises PolicyError for an error or a warning."""
        sources = read_sources(*folders)
        files = []
        for source in sources:
            try:
                files.append(parser.read(source.filename or "", source.src))
            except parser.UnreadableError as error:
                raise PolicyError(error.sentence, file=source.filename, line=error.line) from None
        oso = GuardedOso(kinds_of(files))
        if not all(file.is_empty for file in files):
            for problem in oso.load(sources):
                raise problem
        return cls(oso, digest(sources), sources, files)

    def answer(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Leaf:
        """Return what the policy's `allow` rules say at `now` (seconds since 1970), and how they came to it.

        A decision like an earlier one is replayed; any other is Polar's, and kept if it came to its end. Raises
        PolicyError for whatever goes wrong on the way.
        """
        try:
            leaf = self.recording.replay(actor, action, resource, context, now)
        except Exception:  # noqa: BLE001  (whatever a fact raises, Polar's own way of asking turns into a sentence)
            leaf = None
        return leaf or self._first_answer(actor, action, resource, context, now)

    def allows(self, actor: Fact, action: str, resource: Fact, context: Context) -> bool:
        """Return whether the policy's `allow` rules hold now. Raises PolicyError."""
        return self.answer(actor, action, resource, context, clock.timestamp()).allowed

    def ask_polar(
        self, actor: Fact, action: str, resource: Fact, context: Context, now: float
    ) -> tuple[bool, Conversation]:
        """Return what Polar itself says, and the conversation it had. Raises PolicyError; never replays."""
        try:
            return self._oso.ask(actor, action, resource, context, now)
        except PolicyError:
            raise
        except Exception as error:  # noqa: BLE001  (anything else would be somebody else's idea of an answer)
            # Without its cause: that carries what the facts say, and would be printed with the traceback.
            raise runtime_problem(error) from None

    def prove(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Proof | None:
        """Return by which rules and facts this is allowed at `now`; None if it is not. Raises PolicyError.

        Always asks Polar, and is for explanations only.
        """
        if self._is_empty:
            return None
        try:
            return self._prover.prove(actor, action, resource, context, now)
        except PolicyError:
            raise
        except Exception as error:  # noqa: BLE001  (as when it is asked for the answer alone)
            raise runtime_problem(error) from None

    @cached_property
    def _prover(self) -> Prover:
        return Prover(self._sources, self._files, lambda: GuardedOso(self.kinds))

    def path_of(self, leaf: int) -> Conversed:
        """Return the questions and answers that lead to a leaf. Raises IndexError for one that is not there."""
        return self.recording.leaves[leaf].path

    def _first_answer(self, actor: Fact, action: str, resource: Fact, context: Context, now: float) -> Leaf:
        if not isinstance(action, str):
            raise PolicyError("An action is a word.")
        if not (isinstance(actor, Fact) and isinstance(resource, Fact) and isinstance(context, Context)):
            raise PolicyError("A decision is about facts.")
        if self._is_empty:
            return Leaf(None, (), allowed=False)
        # A member of an enumeration is something else to Polar than its word.
        action = str.__str__(action)
        allowed, conversation = self.ask_polar(actor, action, resource, context, now)
        path = conversation.path
        kept = self.recording.add(actor, action, resource, path, allowed=allowed) if conversation.is_known else None
        return kept or Leaf(None, path, allowed=allowed)


def kinds_of(files: Iterable[parser.PolarFile]) -> dict[str, type[Fact]]:
    """Return every kind of fact that a policy of these files can speak about, by its name."""
    declared = (block.name for file in files for block in file.blocks)
    return {name: declared_kind(name) for name in declared if name not in KINDS} | KINDS


def read_sources(*folders: Path) -> list[ffi.PolarSource]:
    """Return the policy files of `folders`, in the order of their names. Raises PolicyError if one cannot be read."""
    sources: dict[str, ffi.PolarSource] = {}
    for folder in folders:
        if not folder.is_dir():
            raise PolicyError(f"There is no policy folder {folder.name}.")
        for path in sorted(folder.glob("*.polar")):
            if path.name in sources:
                raise PolicyError("There is a file of this name already.", file=path.name, line=1)
            try:
                sources[path.name] = ffi.PolarSource(path.read_bytes().decode(), path.name)
            except (OSError, UnicodeDecodeError):
                raise PolicyError("The file cannot be read as text.", file=path.name, line=1) from None
    return [sources[name] for name in sorted(sources)]


def digest(sources: Sequence[ffi.PolarSource]) -> str:
    """Return a short name for exactly these files with exactly this content."""
    content = json.dumps([[source.filename, source.src] for source in sources])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
