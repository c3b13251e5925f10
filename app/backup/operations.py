"""Making a backup of all that a portal has stored, and putting one back."""

from pathlib import Path

from app.audit import journal
from app.backup import postgresql, sqlite
from app.backup.archive import JOURNAL, Manifest, extract, opened, written
from app.kernel import clock
from app.kernel.database import connected, sqlite_file
from app.kernel.errors import ProblemError
from app.kernel.schema import applied_migrations, unknown_migrations
from app.runtime import settings

_DIRECTORY = "directory"
_DECISIONS = "decisions"
_TABLES = ("decision_batch", "decision_path")


def make_backup(target: Path) -> None:
    """Write everything to a new file at `target`, while the portal runs or not. Raises `ProblemError` if it cannot be.

    The secret key is not in it: without it, a restored portal signs everybody out and nothing more.
    """
    with connected():
        migrations = sorted(applied_migrations())
    file = sqlite_file()
    manifest = Manifest("sqlite" if file else "postgresql", clock.now().isoformat(timespec="seconds"), migrations)
    with written(target, manifest) as archive:
        # First the decisions that are still to be moved: they may be in both then, which is noticed, but never in none.
        for path in journal.segments():
            archive.writestr(f"{JOURNAL}{path.name}", path.read_bytes())
        if file is None:
            postgresql.copy_into(archive, _DIRECTORY, settings().database_url)
            return
        if _decisions().exists():
            sqlite.copy_into(archive, _DECISIONS, _decisions())
        sqlite.copy_into(archive, _DIRECTORY, file)


def restore_backup(source: Path, file: Path | None) -> str:
    """Put back what is in the backup at `source`, and return a sentence about what was there before.

    `file` is that of the SQLite database, which may be damaged or missing; None stands for PostgreSQL. Decisions that
    were logged since the backup stay, on SQLite. Raises `ProblemError` when it cannot be done, which changes nothing.
    """
    kind = "sqlite" if file else "postgresql"
    with opened(source) as (archive, manifest):
        if manifest.kind != kind:
            raise ProblemError(f"This is a backup of {manifest.kind}, and DATABASE_URL names a database of {kind}.")
        later = unknown_migrations(manifest.migrations)
        if later:
            raise ProblemError(f"This backup was made by a later release ({later[-1]}). Restore it with that one.")
        if file is None:
            with postgresql.unused():
                postgresql.put_back(archive, _DIRECTORY, settings().database_url)
            kept = None
        else:
            with sqlite.unused(file):
                if _DECISIONS in archive.namelist() and _decisions().exists():
                    sqlite.add_rows(archive, _DECISIONS, _decisions(), _TABLES)
                elif _DECISIONS in archive.namelist():
                    sqlite.put_back(archive, _DECISIONS, _decisions())
                kept = sqlite.put_back(archive, _DIRECTORY, file)
        for name in archive.namelist():
            if name.startswith(JOURNAL):
                journal.folder().mkdir(parents=True, exist_ok=True, mode=0o700)
                # The name comes from a file: it must not lead out of the folder. One that is there has as much or more.
                target = journal.folder() / Path(name).name
                if not target.exists():
                    extract(archive, name, target)
    return f"What was there before is in {kept}: delete it once you do not need it." if kept else ""


def refuse_damaged() -> None:
    """Raise `ProblemError` when SQLite finds a fault in a database of the portal: what it says may be wrong."""
    for path in _sqlite_files():
        sqlite.check(path)


def settle() -> None:
    """Have each SQLite database of the portal, which nobody uses any more, be one file, which can be copied."""
    for path in _sqlite_files():
        sqlite.settle(path)


def _sqlite_files() -> list[Path]:
    file = sqlite_file()
    return [] if file is None else [path for path in (file, _decisions()) if path.exists()]


def _decisions() -> Path:
    return journal.folder() / "decisions.db"
