"""Explains a decision to a program: an explanation as a message, with nothing in it that its service may not see."""

from collections.abc import Iterator
from typing import Any

from app.authz import facts
from app.authz.decision_point import Decision, DecisionRequest
from app.authz.engine.proof import Reading
from app.authz.explain.explanation import Explanation, explain_decision, visible_to_client
from app.vocabulary import REASON_SENTENCES

Message = dict[str, Any]


def explanation_message(client: facts.Client, request: DecisionRequest | None, decision: Decision) -> Message:
    """Return why `decision` is the one on `request`, as far as `client` may know.

    Where something unknown was asked about, there is no request (None) and nothing to explain but that.
    """
    message: Message = {"sentence": REASON_SENTENCES[decision.reason], "rules": [], "facts": [], "needed": []}
    if request is None:
        return message
    visible = visible_to_client(client, explain_decision(request, decision))
    return message | {
        "rules": [rule._asdict() for rule in visible.rules],
        "facts": _without_repeats(fact for reading in visible.readings for fact in _fact(reading)),
        "needed": _without_repeats(_needed(visible)),
    }


def _fact(reading: Reading) -> Iterator[Message]:
    """Yield a reading as a message; nothing for one that only leads from one fact to the next."""
    owner, value = reading.owner, reading.value
    read: Message = {"field": reading.field, "value": value}
    if isinstance(owner, facts.Grant) and reading.field == "in_force":
        ends = {"starts_at": owner.starts_at, "ends_at": owner.ends_at}
        known_ends = {name: moment for name, moment in ends.items() if moment is not None}
        yield {"about": "role", "id": owner.role.slug, **read, **known_ends}
    elif isinstance(owner, facts.Service) and reading.field == "state":
        yield {"about": "service", "id": owner.slug, **read}
    elif isinstance(owner, facts.Role) and reading.field == "officers_may_give":
        yield {"about": "role", "id": owner.slug, **read}
    elif isinstance(reading.chain[0], facts.Record) and not isinstance(value, facts.Fact | tuple):
        path = reading.path.removeprefix("resource.")
        yield {"about": "resource", "id": reading.chain[0].id, **read, "field": path}


def _needed(visible: Explanation) -> Iterator[list[Message]]:
    # The same change at two organisations is one to a program, which learns of neither.
    for needed in visible.alternatives:
        yield [
            {"change": one.change.reason, "who": one.who, **({"role": one.change.role.slug} if one.change.role else {})}
            for one in needed
        ]


def _without_repeats(items: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
