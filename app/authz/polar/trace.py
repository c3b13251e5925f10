"""What Polar's trace of a proof says, as far as it is anybody's business.

A trace holds every term that Polar looked at, printed. Only the rules that a proof went through and the fields that it
read are taken from it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple


class RuleStep(NamedTuple):
    """A rule that a proof went through: its name, what its head asks for, and the texts in its body.

    `heads` and `kinds` hold, for each parameter, the text that it must be and the kind that it must be of; "" for any.
    """

    name: str
    heads: tuple[str, ...]
    kinds: tuple[str, ...]
    texts: tuple[str, ...]


class ReadStep(NamedTuple):
    """A field that a proof read, of the object that Polar knows as `instance`."""

    instance: int
    field: str


Step = RuleStep | ReadStep


def steps(trace: dict[str, Any]) -> Iterator[Step]:
    """Yield the steps of a proof, each rule before what stands in its body."""
    node = trace["node"]
    if "Rule" in node:
        yield _rule_step(node["Rule"])
    else:
        expression = node["Term"]["value"].get("Expression", {})
        if expression.get("operator") == "Dot":
            owner, field = expression["args"][:2]
            if "ExternalInstance" in owner["value"]:
                yield ReadStep(owner["value"]["ExternalInstance"]["instance_id"], field["value"]["String"])
    for below in trace["children"]:
        yield from steps(below)


def _rule_step(rule: dict[str, Any]) -> RuleStep:
    heads, kinds = [], []
    for parameter in rule["params"]:
        heads.append(parameter["parameter"]["value"].get("String", ""))
        pattern = (parameter["specializer"] or {}).get("value", {}).get("Pattern", {})
        kinds.append(pattern.get("Instance", {}).get("tag", ""))
    return RuleStep(rule["name"], tuple(heads), tuple(kinds), tuple(_texts(rule["body"])))


def _texts(term: dict[str, Any]) -> Iterator[str]:
    """Yield the texts in a term, in their order."""
    ((kind, value),) = term["value"].items()
    if kind == "String":
        yield value
    elif kind in ("Expression", "Call"):
        for part in value["args"]:
            yield from _texts(part)
