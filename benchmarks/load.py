"""Requests over HTTP: how many a second a server answers, and single ones with their answers."""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.rounds import ROUND_SECONDS

CONNECTIONS = 16

_SCRIPT = """
local bodies = {}
for line in io.lines(%s) do bodies[#bodies + 1] = line end
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
request = function()
  number = number %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[number])
end
"""


class Load:
    """POSTs `bodies` to `path`, one after the other and then again, over so many connections at once.

    `name` names its files in `folder`. `evaluations` is how many evaluations one body asks for.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        path: str,
        bodies: Iterable[Any],
        *,
        key: str = "none",
        evaluations: int = 1,
        connections: int = CONNECTIONS,
    ) -> None:
        self._path = path
        self._evaluations = evaluations
        self._connections = connections
        lines = folder / f"{name}.txt"
        lines.write_text("\n".join(json.dumps(body) for body in bodies))
        self._script = folder / f"{name}.lua"
        self._script.write_text(_SCRIPT % (json.dumps(str(lines)), key))

    def per_second(self, port: int) -> float:
        """Return how many evaluations a second were answered. Raises RuntimeError if one failed or none came."""
        requests = float(self._run(port, r"Requests/sec:\s+([\d.]+)")[1])
        if not requests:
            raise RuntimeError(f"{self._path}: no request was answered within {ROUND_SECONDS} seconds")
        return requests * self._evaluations

    def percentile_99(self, port: int) -> float:
        """Return within how many milliseconds 99 of 100 were answered. Raises RuntimeError if any request failed."""
        found = self._run(port, r"99%\s+([\d.]+)(us|ms|s)\n")
        return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]]

    def _run(self, port: int, wanted: str) -> re.Match[str]:
        wrk = ["wrk", "--latency", "-t2", f"-c{self._connections}", f"-d{ROUND_SECONDS}s", "-s", str(self._script)]
        report = subprocess.run(
            [*wrk, f"http://127.0.0.1:{port}{self._path}"], check=True, capture_output=True, text=True
        ).stdout
        found = re.search(wanted, report)
        if "Non-2xx" in report or "Socket errors" in report or found is None:
            raise RuntimeError(report)
        return found


class Connection:
    """Sends one request after the other over one connection."""

    def __init__(self, port: int, key: str = "none") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises RuntimeError if the status is not 200."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise RuntimeError(f"{path} answered {response.status}: {answer}")
        return answer


def require_wrk() -> None:
    """Raise FileNotFoundError unless there is a load generator."""
    if shutil.which("wrk") is None:
        raise FileNotFoundError("This needs wrk (Debian: apt-get install wrk).")


def evaluation(person: str, service: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the AuthZEN request for one evaluation: whether a person may launch a service."""
    subject: dict[str, Any] = {"type": "user", "id": person}
    if properties is not None:
        subject["properties"] = properties
    return {"subject": subject, "action": {"name": "launch"}, "resource": {"type": "service", "id": service}}


def evaluations(subjects: Iterable[dict[str, Any]], service: str) -> dict[str, Any]:
    """Return the AuthZEN request for several evaluations, one for each of `subjects`."""
    return {
        "action": {"name": "launch"},
        "resource": {"type": "service", "id": service},
        "evaluations": [{"subject": subject} for subject in subjects],
    }
