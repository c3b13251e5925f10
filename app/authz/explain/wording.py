"""Explanations in words, for people: names instead of ids, sentences instead of codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from app.authz import facts
from app.authz.engine.proof import Reading, RuleUsed
from app.authz.explain.counterfactuals import ANY_ORGANISATION, Change
from app.authz.explain.explanation import Explanation, Needed
from app.authz.explain.steps import value_in_words
from app.kernel import clock
from app.memberships.models import Grant
from app.memberships.queries import grants_by_name
from app.organisations.models import Organisation
from app.services.models import Role, Service
from app.services.queries import roles, services
from app.vocabulary import (
    CHANGE_SENTENCES,
    REASON_SENTENCES,
    SEEN_SENTENCES,
    SOME_ORGANISATION,
    STAFF_ROLE_SENTENCES,
    STATE_SENTENCES,
    USER_SENTENCES,
    WHO_SENTENCES,
    Seen,
    StaffRole,
    Who,
)


@dataclass(frozen=True)
class ChangeText:
    """A change that would help, in words: what it is, and who can make it."""

    sentence: str
    who: Who
    who_sentence: str


@dataclass(frozen=True)
class ExplanationText:
    """An explanation in words. Any one of the `alternatives` is enough; within one of them, everything is needed."""

    allowed: bool
    sentence: str
    facts: list[str]
    alternatives: list[list[ChangeText]]
    rules: list[str]


def in_words(explanation: Explanation) -> ExplanationText:
    """Return `explanation` in words. Leaves nothing out, so pass what is `visible_to` the reader."""
    names = _Names(explanation)
    sentences = (sentence for reading in explanation.readings for sentence in names.of_reading(reading))
    return ExplanationText(
        allowed=explanation.decision.allowed,
        sentence=REASON_SENTENCES[explanation.decision.reason],
        facts=list(dict.fromkeys(sentences)),
        alternatives=[[names.of_needed(one) for one in needed] for needed in explanation.alternatives],
        rules=[rule_in_words(rule) for rule in explanation.rules],
    )


def rule_in_words(rule: RuleUsed) -> str:
    """Return where a rule is, such as: service, line 16."""
    return f"{rule.file.removesuffix('.polar')}, line {rule.line}"


class _Names:
    """The names of everything that one explanation refers to, read in a few queries."""

    def __init__(self, explanation: Explanation) -> None:
        self._organisations = {
            row.public_id: row
            for row in Organisation.select().where(Organisation.public_id.in_(_organisations_in(explanation)))
        }
        self._services: dict[str, Service] = {row.slug: row for row in services()}
        self._roles: dict[str, Role] = {row.slug: row for row in roles()}
        self._grants = grants_by_name(
            fact.public_id
            for reading in explanation.readings
            for fact in reading.chain
            if isinstance(fact, facts.Membership)
        )

    def of_needed(self, needed: Needed) -> ChangeText:
        """Return a change in words."""
        at = self._organisation(needed.change.organisation)
        role = self._role(needed.change)
        return ChangeText(
            _sentence(needed.change).format(organisation=at, role=role),
            needed.who,
            WHO_SENTENCES[needed.who].format(organisation=at),
        )

    def of_reading(self, reading: Reading) -> Iterator[str]:
        """Yield a reading in words; nothing for one that only leads from one fact to the next."""
        owner, value = reading.owner, reading.value
        kind = type(owner).__name__
        if reading.field == "state" and isinstance(value, str) and value in STATE_SENTENCES.get(kind, {}):
            yield STATE_SENTENCES[kind][value].format(
                organisation=self._organisation(_organisation_of(owner)),
                service=self._service(owner),
            )
        elif reading.field == "memberships" and isinstance(owner, facts.Person):
            names = [self._organisation(one.organisation) for one in owner.memberships if one in _tuple(value)]
            yield _list(Seen.PLACES, Seen.NO_PLACES, names, "organisations")
        elif reading.field == "grants" and isinstance(owner, facts.Membership):
            names = [self._roles[grant.role.slug].full_name for grant in owner.grants if grant in _tuple(value)]
            at = self._organisation(owner.organisation)
            yield _list(Seen.ROLES, Seen.NO_ROLES, names, "roles", organisation=at)
        elif reading.field == "in_force" and isinstance(owner, facts.Grant):
            yield from self._grant(reading, owner)
        elif isinstance(reading.chain[0], facts.Record) and not isinstance(value, facts.Fact | tuple):
            seen = Seen.NO_PROPERTY if value is None else Seen.PROPERTY
            field = reading.path.removeprefix("resource.").removeprefix("properties.").replace("_", " ")
            yield SEEN_SENTENCES[seen].format(field=field, value=value_in_words(value))

    def _grant(self, reading: Reading, grant: facts.Grant) -> Iterator[str]:
        membership = next(fact for fact in reversed(reading.chain) if isinstance(fact, facts.Membership))
        row = self._grants.get((membership.public_id, grant.role.slug))
        if row is None:
            return
        days = {name: clock.in_words(day) for name, day in _days(row).items() if day is not None}
        if reading.value:
            seen = Seen.ROLE_COUNTS_UNTIL if "last_day" in days else Seen.ROLE_COUNTS
        else:
            has_started = grant.starts_at is None or grant.starts_at <= clock.now()
            seen = Seen.ROLE_ENDED if has_started else Seen.ROLE_STARTS
        sentence = SEEN_SENTENCES[seen].format(
            role=self._roles[grant.role.slug].full_name,
            organisation=self._organisation(membership.organisation),
            **days,
        )
        given = Seen.ROLE_GIVEN_BY if row.given_by else Seen.ROLE_GIVEN
        day = row.created_at.astimezone(ZoneInfo(row.membership.organisation.time_zone)).date()
        giver = row.given_by.name if row.given_by else ""
        yield f"{sentence} {SEEN_SENTENCES[given].format(giver=giver, day=clock.in_words(day))}"

    def _organisation(self, organisation: facts.Organisation | None) -> str:
        row = None if organisation is None else self._organisations.get(organisation.public_id)
        return SOME_ORGANISATION if row is None else str(row.name)

    def _service(self, fact: facts.Fact) -> str:
        return str(self._services[fact.slug].name) if isinstance(fact, facts.Service) else ""

    def _role(self, change: Change) -> str:
        return "" if change.role is None else self._roles[change.role.slug].full_name


def _sentence(change: Change) -> str:
    if change.staff_role is not None:
        return STAFF_ROLE_SENTENCES[StaffRole(change.staff_role)]
    return CHANGE_SENTENCES[change.reason] if change.state is None else USER_SENTENCES[change.state]


def _organisations_in(explanation: Explanation) -> list[str]:
    found = [
        organisation
        for reading in explanation.readings
        for fact in (*reading.chain, *_tuple(reading.value))
        if (organisation := _organisation_of(fact)) is not None
    ]
    found += [
        one.change.organisation
        for needed in explanation.alternatives
        for one in needed
        if one.change.organisation not in (None, ANY_ORGANISATION)
    ]
    return sorted({organisation.public_id for organisation in found})


def _organisation_of(fact: object) -> facts.Organisation | None:
    return (
        fact.organisation
        if isinstance(fact, facts.Membership)
        else fact
        if isinstance(fact, facts.Organisation)
        else None
    )


def _tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _days(row: Grant) -> dict[str, date | None]:
    return {"first_day": row.first_day, "last_day": row.last_day}


def _list(some: Seen, none: Seen, names: list[str], slot: str, **more: str) -> str:
    return SEEN_SENTENCES[some if names else none].format(**{slot: ", ".join(names)}, **more)
