"""`tessera why`: the policy's answer to one question, in plain words."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from app.authz import facts
from app.authz.decision_point import DecisionRequest, use_policy
from app.authz.engine.engine import Engine
from app.authz.explain.explanation import Explanation, explain
from app.authz.explain.wording import ExplanationText, in_words
from app.authz.information import directory
from app.authz.polar.names import wire_name
from app.cli.base import answer, as_json, examples, found, migrated_database
from app.kernel.errors import ProblemError
from app.memberships.models import Membership
from app.organisations.queries import organisation_named
from app.records.queries import record_named
from app.services.queries import role_with_slug, roles, service_with_slug

T = TypeVar("T")


@click.command(
    epilog=examples(
        "tessera why thomas.reed@example.org launch service:submit-for-assessment",
        "tessera why olivia-marsh give role:training:user --at 90101",
        "tessera why sam.porter@example.org list_people organisation:90101 --json",
    )
)
@click.argument("person")
@click.argument("action")
@click.argument("resource")
@click.option("--at", "where", help="The organisation acted in (centre number or public id); any, if left out.")
@as_json
def why(person: str, action: str, resource: str, where: str | None, as_json: bool) -> None:
    """Say whether PERSON may do ACTION to RESOURCE, why, and what would change the answer.

    PERSON is an e-mail address or a public id. RESOURCE is written kind:id, such as service:training,
    role:training:user, organisation:90101, membership:ID or person:ID; or portal, or platform. The kinds that only the
    rules declare are named like in messages, such as mark_scheme:ID, and have to be registered.
    """
    with migrated_database() as settings:
        engine = Engine.load(*settings.policy_folders)
        use_policy(engine)
        at = None if where is None else directory.organisation(found("organisation", where, organisation_named))
        fact = _resource(resource, at, engine.declared_kinds)
        _check_action(action, fact, engine)
        request = DecisionRequest(
            found("person", person, directory.person_named),
            action,
            fact,
            facts.Context(at),
            tuple(directory.role(row, at) for row in roles()),
        )
        explanation = explain(request)
        text = in_words(explanation)
        answer("\n".join(_lines(explanation, text)), _members(explanation, text), for_program=as_json)


def _lines(explanation: Explanation, text: ExplanationText) -> Iterator[str]:
    yield f"{'Yes' if text.allowed else 'No'}. {text.sentence}"
    if text.facts:
        yield "\nBecause:" if text.allowed else "\nWhat was looked at:"
        yield from (f"  {sentence}" for sentence in text.facts)
    if explanation.rules:
        yield "\nRules:"
        yield from (f"  {rule.file}:{rule.line} {rule.name}" for rule in explanation.rules)
    if text.alternatives:
        yield (
            "\nWhat would make it a yes:" if len(text.alternatives) == 1 else "\nAny one of these would make it a yes:"
        )
        for changes in text.alternatives:
            for number, change in enumerate(changes):
                yield f"  {'-' if number == 0 else ' and:'} {change.sentence} {change.who_sentence}"


def _members(explanation: Explanation, text: ExplanationText) -> dict[str, Any]:
    return {
        "allowed": text.allowed,
        "reason": explanation.decision.reason,
        "sentence": text.sentence,
        "policy": explanation.decision.policy,
        "rules": [rule._asdict() for rule in explanation.rules],
        "looked_at": text.facts,
        "needed": [
            [
                {
                    "change": one.change.reason,
                    "organisation": one.change.organisation and one.change.organisation.public_id,
                    "role": one.change.role.slug if one.change.role else one.change.staff_role,
                    "state": one.change.state,
                    "who": one.who,
                    "sentence": words.sentence,
                }
                for one, words in zip(needed, changes, strict=True)
            ]
            for needed, changes in zip(explanation.alternatives, text.alternatives, strict=True)
        ],
    }


def _resource(text: str, at: facts.Organisation | None, declared: Mapping[str, type[facts.Record]]) -> facts.Fact:
    kind, _, name = text.partition(":")
    find: dict[str, Callable[[str], facts.Fact | None]] = {
        "service": lambda slug: _fact(service_with_slug(slug), directory.service),
        "role": lambda slug: _fact(role_with_slug(slug), lambda row: directory.role(row, at)),
        "organisation": lambda named: _fact(organisation_named(named), directory.organisation),
        "membership": _membership,
        "person": directory.person_named,
        "portal": lambda _name: directory.PORTAL,
        "platform": lambda _name: directory.PLATFORM,
        **{name: partial(_record, kind, name) for name, kind in declared.items()},
    }
    if kind not in find:
        raise ProblemError(f"{kind} is not a type of resource. There are: {', '.join(find)}.")
    return found(kind, name, find[kind])


def _fact(row: T | None, to_fact: Callable[[T], facts.Fact]) -> facts.Fact | None:
    return None if row is None else to_fact(row)


def _record(kind: type[facts.Record], type_name: str, public_id: str) -> facts.Fact | None:
    return _fact(record_named(type_name, public_id), partial(directory.record, kind))


def _membership(public_id: str) -> facts.Fact | None:
    row = Membership.get_or_none(Membership.public_id == public_id)
    return None if row is None else directory.memberships([row])[0]


def _check_action(action: str, fact: facts.Fact, engine: Engine) -> None:
    kind = type(fact).__name__
    known = sorted(engine.permissions[kind])
    if action not in known:
        raise ProblemError(f"Nobody can {action} a {wire_name(kind)}. What can be asked: {', '.join(known)}.")
