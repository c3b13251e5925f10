"""Decides again and again: a program that `regression` runs under the code of either commit, with its Python.

`decide_loop.py FOLDER` prints the sample and its answers as one line of JSON. Then, for each line that it reads, it
decides about the whole sample and prints how many microseconds a decision took. It knows the layouts of both commits,
and imports nothing else of the benchmarks, which an older commit does not have.
"""

import json
import random
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

SIZE, REPEAT = 400, 50
QUESTION = "launch"


def present_layout(url: str) -> tuple[Any, Any]:
    """Return `decide` and a view of the database at `url`, by the names since authz has rooms of its own."""
    from app.authz.decision_point import decide
    from app.authz.engine.engine import Engine
    from app.authz.information.cache import DirectoryView
    from app.config import Settings
    from app.kernel.database import open_database
    from app.runtime import Runtime, use

    settings = Settings(database_url=url)
    view = DirectoryView(settings.cache_people)
    engine = Engine.load(settings.policies_dir)
    use(Runtime(settings=settings, database=open_database(url), engine=engine, view=view))
    return decide, view


def flat_layout(url: str) -> tuple[Any, Any]:
    """Return the same by the names before that."""
    cache, deciding, engine, database = (
        import_module(name)
        for name in ("app.authz.cache", "app.authz.deciding", "app.authz.engine", "app.kernel.database")
    )
    database.bind(url)
    deciding.use_policy(engine.Engine.load(Path("policies")))
    return deciding.decide, cache.View()


def layout(url: str) -> tuple[Any, Any]:
    """Return `decide` and a view of the database at `url`, whichever commit this is."""
    return present_layout(url) if Path("app/authz/decision_point.py").exists() else flat_layout(url)


def people(view: Any) -> list[Any]:
    """Return the facts of the first people of the directory, as many as the sample has."""
    found, last = [], ""
    while len(found) < SIZE:
        page = view.people_after(last, 50)
        last = page[-1].public_id
        found += [view.person(one.public_id) for one in page if one.state == "active"]
    return found[:SIZE]


def main(folder: str) -> None:
    """Answer on standard output as the module says."""
    decide, view = layout(f"sqlite:///{folder}/tessera.db")
    services = sorted(view.services(), key=lambda service: service.slug)
    chance = random.Random(1)  # noqa: S311  (a choice, not a secret)
    pairs = [(person, chance.choice(services)) for person in people(view)]
    answers = [decide(person, QUESTION, service).allowed for person, service in pairs]
    sample = [
        [person.public_id, service.slug, allowed] for (person, service), allowed in zip(pairs, answers, strict=True)
    ]
    print(json.dumps(sample), flush=True)
    for _line in sys.stdin:
        begun = time.perf_counter()
        for _ in range(REPEAT):
            for person, service in pairs:
                decide(person, QUESTION, service)
        print((time.perf_counter() - begun) / REPEAT / SIZE * 1e6, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
