"""Searching: the one question, asked for each candidate in a stable order, page by page. Knows nothing of HTTP."""

import time
from typing import NamedTuple

from app.api.decisions.client_scope import Reach
from app.api.decisions.page_token import Place, place_of, token_for
from app.api.decisions.recording import account
from app.api.decisions.resolver import Gatherer, context_of, gathered
from app.api.errors import ApiError
from app.api.wire.schemas.search import SearchRequest, Sought
from app.audit.decision_codec import Item
from app.authz import facts
from app.authz.decision_point import decide, policy
from app.authz.information.cache import Caller
from app.vocabulary import SUBJECT_TYPES, Reason

BUDGET_SECONDS = 0.2
"""After this long a page is given as it is; the next one goes on from there."""
AT_A_TIME = 200
"""How many candidates are looked up at once."""


class Found(NamedTuple):
    """A page of names in their order, recorded under `id`; `next_token` is empty on the last one."""

    id: str
    names: list[str]
    next_token: str
    policy: str
    revision: int


class _Candidate(NamedTuple):
    """One that takes its place in the question."""

    name: str
    person: facts.Person
    action: str
    thing: facts.Fact


class _Stretch(NamedTuple):
    """What came of some candidates: the `names` of those that may, and how far we came."""

    names: list[str]
    after: str
    is_end: bool
    subject: str = "unknown"
    """About whom was asked, as the log names them."""
    has_failed: bool = False
    """Whether the policy could not say something about a candidate."""


def search(client: Caller, request: SearchRequest) -> Found:
    """Return a page of what `request` of `client` looks for, and record that it was given.

    Raises `ApiError` 400 for a token of another search, 403 when the policy does not let the client ask this, and 503
    when too little is known here yet; `UndecidedError` when the policy cannot say.
    """
    started = time.perf_counter_ns()
    place = place_of(client, request)
    asked_under = _asked_under(client, request)
    page, revision = _Search(client, request, is_in_reach=asked_under is not None).page(place)
    token = "" if page.is_end else token_for(client, request, Place(page.after, place.limit))
    took = time.perf_counter_ns() - started
    under = asked_under or policy().digest
    record_id = account(client, revision, _logged(request, page, under, took))
    return Found(record_id, page.names, token, under, revision)


class _Search:
    """One search, as far as its time goes."""

    def __init__(self, client: Caller, request: SearchRequest, *, is_in_reach: bool) -> None:
        self._own = client.fact.service
        self._sought = request.sought
        self._question = request.question
        self._is_in_reach = is_in_reach
        self._deadline = time.perf_counter() + BUDGET_SECONDS

    def page(self, place: Place) -> tuple[_Stretch, int]:
        """Return what stands on the page that begins at `place`, and a revision of which all of it knows."""
        # One more than is shown: only then is it certain that there is more.
        wanted = place.limit + 1
        stretch, revision = self._next(place.after, wanted)
        names = stretch.names
        while not stretch.is_end and len(names) < wanted and time.perf_counter() < self._deadline:
            more, _later = self._next(stretch.after, wanted - len(names))
            names += more.names
            stretch = more._replace(has_failed=stretch.has_failed or more.has_failed)
        if len(names) < wanted:
            return stretch._replace(names=names), revision
        names.pop()
        return stretch._replace(names=names, after=names[-1] if names else place.after, is_end=False), revision

    def _next(self, after: str, wanted: int) -> tuple[_Stretch, int]:
        return gathered(
            lambda gatherer: self._examined(gatherer, after, wanted), self._question.at_least_revision, own=self._own
        )

    def _examined(self, gatherer: Gatherer, after: str, wanted: int) -> _Stretch:
        """Ask for the candidates after `after`, until `wanted` were found or the time is over; for one at least."""
        at = gatherer.organisation(self._question.organisation)
        if self._question.organisation is not None and at is None:
            return _Stretch([], after, is_end=True, subject=self._subject(gatherer))
        context = context_of(self._question, at)
        candidates = self._candidates(gatherer, at, after)
        names: list[str] = []
        examined, has_failed = 0, False
        for examined, candidate in enumerate(candidates, 1):  # noqa: B007  (how far we came, asked below)
            decision = decide(candidate.person, candidate.action, candidate.thing, context)
            has_failed = has_failed or decision.reason is Reason.POLICY_ERROR
            if decision.allowed:
                names.append(candidate.name)
            after = candidate.name
            if len(names) == wanted or time.perf_counter() >= self._deadline:
                break
        is_end = examined == len(candidates) < AT_A_TIME
        return _Stretch(names, after, is_end, self._subject(gatherer), has_failed)

    def _subject(self, gatherer: Gatherer) -> str:
        """Return how the log names whom the search is about; a star is everybody."""
        if self._sought is Sought.SUBJECT:
            return "person:*"
        asked = gatherer.person(self._question.subject)
        return "unknown" if asked is None else f"person:{asked.public_id}"

    def _candidates(self, gatherer: Gatherer, at: facts.Organisation | None, after: str) -> list[_Candidate]:
        """Return the next candidates by name, at most as many as are looked up at once."""
        subject, action, resource = self._question.subject, self._question.action.name, self._question.resource
        if not self._is_in_reach or subject.type not in SUBJECT_TYPES:
            return []
        if self._sought is Sought.SUBJECT:
            thing = gatherer.thing(resource, at)
            if thing is None or not _knows(thing, action):
                return []
            people = gatherer.people_after(subject, after, AT_A_TIME)
            return [_Candidate(person.public_id, person, action, thing) for person in people]
        asked = gatherer.person(subject)
        if asked is None:
            return []
        if self._sought is Sought.RESOURCE:
            things = gatherer.things_after(resource, at, after, AT_A_TIME)
            return [_Candidate(_name(one), asked, action, one) for one in things if _knows(one, action)]
        thing = gatherer.thing(resource, at)
        if thing is None:
            return []
        actions = sorted(name for name in policy().permissions[type(thing).__name__] if name > after)
        return [_Candidate(name, asked, name, thing) for name in actions[:AT_A_TIME]]


def _asked_under(client: Caller, request: SearchRequest) -> str | None:
    """Return the digest of the policy that lets the client ask this; None of a kind that it may not ask about at all.

    As of one that nobody knows, nothing is found of it: which kinds others have is not to be learned here.
    """
    resource = request.question.resource
    with Reach(client) as reach:
        try:
            own = reach.check(resource.type, None)
        except ApiError:
            return None
        return own if request.sought is Sought.RESOURCE else reach.check(resource.type, resource.id)


def _knows(thing: facts.Fact, action: str) -> bool:
    return action in policy().permissions[type(thing).__name__]


def _name(thing: facts.Service | facts.Role | facts.Record) -> str:
    return thing.id if isinstance(thing, facts.Record) else thing.slug


def _logged(request: SearchRequest, page: _Stretch, asked_under: str, nanoseconds: int) -> Item:
    """Return how the log names a search: what was looked for is a star."""
    question, sought = request.question, request.sought
    reason = Reason.ALLOWED if page.names else Reason.POLICY_ERROR if page.has_failed else Reason.NOT_ALLOWED
    return (
        page.subject,
        "*" if sought is Sought.ACTION else question.action.name,
        f"{question.resource.type}:{'*' if sought is Sought.RESOURCE else question.resource.id}",
        "",
        bool(page.names),
        reason,
        asked_under,
        nanoseconds,
        None,
    )
