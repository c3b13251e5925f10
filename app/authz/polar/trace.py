"""Reads a proof trace of Polar: the rules that the proof used and the fields that it read.

A trace also holds every term that Polar looked at, printed with the values of the facts; those are ignored.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple


class RuleStep(NamedTuple):
    """A rule that a proof used.

    For each parameter, `heads` holds the string that it must equal and `kinds` the type that it must have; "" stands
    for any. `texts` holds the string literals in the body.
    """

    name: str
    heads: tuple[str, ...]
    kinds: tuple[str, ...]
    texts: tuple[str, ...]


class ReadStep(NamedTuple):
    """A field that a proof read, of the object with the id `instance` in Polar."""

    instance: int
    field: str


Step = RuleStep | ReadStep


def steps(trace: dict[str, Any]) -> Iterator[Step]:
    """Yield the steps of a proof in preorder: each rule comes before the steps of its body."""
    node = trace["node"]
    if "Rule" in node:
        yield _rule_step(node["Rule"])
    else:
        expression = node["Term"]["value"].get("Expression", {})
        if expression.get("operator") == "Dot":
            owner, field = expression["args"][:2]
            if "ExternalInstance" in owner["value"]:
                yield ReadStep(owner["value"]["ExternalInstance"]["instance_id"], field["value"]["String"])
    for child in trace["children"]:
        yield from steps(child)


def _rule_step(rule: dict[str, Any]) -> RuleStep:
    heads, kinds = [], []
    for parameter in rule["params"]:
        heads.append(parameter["parameter"]["value"].get("String", ""))
        pattern = (parameter["specializer"] or {}).get("value", {}).get("Pattern", {})
        kinds.append(pattern.get("Instance", {}).get("tag", ""))
    return RuleStep(rule["name"], tuple(heads), tuple(kinds), tuple(_string_literals(rule["body"])))


def _string_literals(term: dict[str, Any]) -> Iterator[str]:
    """Yield the string literals in a term, in order."""
    ((kind, value),) = term["value"].items()
    if kind == "String":
        yield value
    elif kind in ("Expression", "Call"):
        for part in value["args"]:
            yield from _string_literals(part)
