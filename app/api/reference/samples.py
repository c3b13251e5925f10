"""Programs that ask, for their authors to copy: in the document, on the page and in docs/decisions.md.

They are run by tests, so they work as they stand.
"""

from dataclasses import dataclass
from string import Template

_CURL = """\
curl --silent --max-time 2 $address/authorize \\
  --header "Authorization: Bearer $key" \\
  --header "Content-Type: application/json" \\
  --data '{
    "subject": {"type": "person", "id": "olivia.marsh@example.org"},
    "action": {"name": "launch"},
    "resource": {"type": "service", "id": "submit-for-assessment"}
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


print(may("olivia.marsh@example.org", "launch", "service", "submit-for-assessment"))
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

console.log(await may("olivia.marsh@example.org", "launch", "service", "submit-for-assessment"));
"""


@dataclass(frozen=True)
class Sample:
    """One program: `language` as programs name it, `label` as people do."""

    language: str
    label: str
    source: str


def samples(address: str, key: str) -> tuple[Sample, ...]:
    """Return the programs as they ask the portal at `address` with `key`."""
    return tuple(
        Sample(language, label, Template(source).substitute(address=address, key=key))
        for language, label, source in (
            ("shell", "curl", _CURL),
            ("python", "Python", _PYTHON),
            ("javascript", "JavaScript", _JAVASCRIPT),
        )
    )
