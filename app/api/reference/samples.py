"""Programs that ask, for their authors to copy: in the document, on the page and in docs/decisions.md.

They are run by tests, so they work as they stand.
"""

from dataclasses import dataclass
from string import Template
from typing import NamedTuple

_CURL = """\
curl --silent --max-time 2 $address/authorize \\
  --header "Authorization: Bearer $key" \\
  --header "Content-Type: application/json" \\
  --data '{
    "subject": {"type": "person", "id": "$subject"},
    "action": {"name": "$action"},
    "resource": {"type": "$kind", "id": "$name"}
  }'
"""

_PYTHON = """\
import json
import sys
import urllib.request


def may(person, action, kind, thing):
    question = {
        "subject": {"type": "person", "id": person},
        "action": {"name": action},
        "resource": {"type": kind, "id": thing},
    }
    request = urllib.request.Request(
        "$address/authorize",
        data=json.dumps(question).encode(),
        headers={"Authorization": "Bearer $key", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return json.load(answer)["decision"] is True
    except Exception as problem:  # whatever went wrong, nobody said yes
        print(f"Taken as a no: {problem}", file=sys.stderr)
        return False


print(may("$subject", "$action", "$kind", "$name"))
"""

_JAVASCRIPT = """\
async function may(person, action, kind, thing) {
  try {
    const answer = await fetch("$address/authorize", {
      method: "POST",
      headers: { "Authorization": "Bearer $key", "Content-Type": "application/json" },
      body: JSON.stringify({
        subject: { type: "person", id: person },
        action: { name: action },
        resource: { type: kind, id: thing },
      }),
      signal: AbortSignal.timeout(2000),
    });
    if (!answer.ok) throw new Error((await answer.json()).message);
    return (await answer.json()).decision === true;
  } catch (problem) { // whatever went wrong, nobody said yes
    console.error("Taken as a no:", problem);
    return false;
  }
}

console.log(await may("$subject", "$action", "$kind", "$name"));
"""


class Example(NamedTuple):
    """What the programs ask, with which key: whether a person may do something to a resource."""

    key: str
    subject: str
    action: str
    kind: str
    name: str


CAST = Example(
    "demo-key-submit-for-assessment", "olivia.marsh@example.org", "launch", "service", "submit-for-assessment"
)
"""What the demo has in its directory."""


@dataclass(frozen=True)
class Sample:
    """One program: `language` as programs name it, `label` as people do."""

    language: str
    label: str
    source: str


def samples(address: str, example: Example) -> tuple[Sample, ...]:
    """Return the programs as they ask the portal at `address`."""
    return tuple(
        Sample(language, label, Template(source).substitute(address=address, **example._asdict()))
        for language, label, source in (
            ("shell", "curl", _CURL),
            ("python", "Python", _PYTHON),
            ("javascript", "JavaScript", _JAVASCRIPT),
        )
    )
