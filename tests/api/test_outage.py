"""A database that is away: what programs and people are answered meanwhile, and that it is over when it is back."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.api.conftest import KEY, question
from tests.conftest import ON_POSTGRESQL
from tests.journeys.portal import Portal
from tests.postgresql import Server, running_server
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ON_POSTGRESQL, reason="it has a server of its own in any case, and stops that"),
]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str

    @property
    def context(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["context"])


def ask(portal: Portal, person: str = "olivia-marsh", **more: Any) -> Reply:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return fetch(Request(f"{portal.address}/authorize", json.dumps(question(person, **more)).encode(), headers))


def fetch(request: Request | str) -> Reply:
    try:
        with urlopen(request, timeout=30) as answer:
            return Reply(
                answer.status, {name.title(): value for name, value in answer.headers.items()}, answer.read().decode()
            )
    except HTTPError as error:
        with closing(error):
            return Reply(
                error.code, {name.title(): value for name, value in error.headers.items()}, error.read().decode()
            )


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server that nobody else uses."""
    with running_server() as server:
        yield server


class Portals(NamedTuple):
    strict: Portal
    lenient: Portal
    folder: Path


@pytest.fixture
def portals(server: Server, tmp_path: Path, policy_marker: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portals]:
    """Two portals on one database, of which the second one answers without it for a while."""
    url = server.url(server.create())
    made = []
    for name in ("strict", "lenient"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / policy_marker.name).write_bytes(policy_marker.read_bytes())
        portal = Portal(folder, url)
        portal._environ |= {"WORKERS": "1", "ANSWER_WITHOUT_DATABASE": "0" if name == "strict" else "60"}
        made.append(portal)
    try:
        for portal in made:
            portal.start()
        yield Portals(*made, tmp_path)
    finally:
        for portal in made:
            portal.stop()


def test_while_a_server_is_away_what_is_known_is_answered_where_that_is_wanted(
    portals: Portals, server: Server
) -> None:
    strict, lenient, folder = portals
    # The first event, and so a revision that can be insisted on.
    strict.tessera("client", "add", "--name", "New", "--service", "training", "--kind", "service")
    warm = [ask(portal) for portal in (strict, lenient)]
    assert [reply.status for reply in warm] == [200, 200]
    assert "stale_seconds" not in warm[0].context
    assert warm[1].context["revision"] > 0
    server.stop()
    until(lambda: ask(strict).status == 503)
    replies = [ask(strict) for _ in range(50)]
    assert {(reply.status, reply.headers["Retry-After"]) for reply in replies} == {(503, "1")}
    assert "Take it as a no" in replies[0].body
    assert fetch(f"{strict.address}/health").status == 503
    # A reason to send nobody there, and none to start it anew.
    assert [fetch(f"{strict.address}/health/{name}").status for name in ("ready", "live")] == [503, 200]
    for page in (fetch(f"{portal.address}/") for portal in (strict, lenient)):
        assert (page.status, page.headers["Retry-After"]) == (503, "60")
        assert "We cannot reach our records" in page.body
    until(lambda: "stale_seconds" in ask(lenient).context)
    given = [ask(lenient) for _ in range(50)]
    assert {reply.status for reply in given} == {200}
    assert all(1 <= reply.context["stale_seconds"] <= 60 for reply in given)
    batch = ask(lenient, evaluations=[{}, {}])
    assert [item["context"]["stale_seconds"] > 0 for item in json.loads(batch.body)["evaluations"]] == [True, True]
    assert ask(lenient, explain=True).context["stale_seconds"] > 0
    # Whoever is not in memory, and whoever insists, gets no answer, which is a no.
    assert ask(lenient, "thomas-reed").status == 503
    assert ask(lenient, options={"at_least_revision": warm[1].context["revision"]}).status == 503
    health = fetch(f"{lenient.address}/health")
    assert health.status == 200
    assert "The database is away" in json.loads(health.body)["warnings"][0]
    server.start()
    for portal in (strict, lenient):
        until(
            lambda portal=portal: (
                "stale_seconds" not in json.loads(ask(portal).body).get("context", {"stale_seconds": 1})
            )
        )
        assert fetch(f"{portal.address}/").status == 200
    for name in ("strict", "lenient"):
        log = (folder / name / "log").read_text()
        assert "Traceback" not in log
        assert log.count("the database cannot be used") < 8
    # Nothing that was answered meanwhile is lost, wherever it is by now.
    for reply in given[::10]:
        assert lenient.tessera("decision", reply.context["id"], "--json")["subject"] == "person:olivia-marsh"
