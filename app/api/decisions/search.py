"""Searches: the same decision for each candidate in a stable order, page by page. Knows no HTTP."""

import time
from typing import NamedTuple

from app.api.decisions.client_scope import ClientScope
from app.api.decisions.page_token import PageStart, start_of_page, token_for
from app.api.decisions.resolver import Resolver, context_of, questions_about, resolvers
from app.api.errors import NotPermittedError, UnknownResourceError
from app.api.wire.requests import SearchRequest, SearchTarget
from app.api.wire.responses import SearchResult
from app.audit import decision_log
from app.audit.decision_codec import LoggedDecision
from app.authz import facts
from app.authz.decision_point import decide, policy
from app.authz.information.cache import Caller
from app.kernel import clock
from app.vocabulary import DIRECTORY_KINDS, Action, Reason

BUDGET_SECONDS = 0.2
"""After this long a page is given as it is; the next one continues from there."""
CANDIDATES_LIMIT = 200
"""How many candidates are loaded at once."""
RECORDS_LIMIT = 20
"""How many registered resources are: each may take as long to read as many people, and time has to be looked at."""


class _Candidate(NamedTuple):
    """One that takes its place in the evaluation: where it is in the order, and what the client calls it."""

    place: str
    name: str
    subject: facts.Fact
    action: str
    resource: facts.Fact


class _Stretch(NamedTuple):
    """What came of some candidates: those that are `allowed`, and the place of the last one that was examined."""

    allowed: list[_Candidate]
    after: str
    is_end: bool
    subject: str = "unknown"
    """Whom the evaluations were about, as the log names them."""
    organisation: str = ""
    """The public id of the organisation that was asked about, if one was."""
    has_failed: bool = False
    """Whether the policy could not decide about a candidate."""


def search(caller: Caller, request: SearchRequest) -> SearchResult:
    """Return a page of what `request` of `caller` searches for, and record that it was given.

    Raises `InvalidRequestError` for a token of another search, `NotPermittedError` and `UndecidedError` from the
    caller's scope, `NotFreshError`, `NotLoggedError`.
    """
    started = time.perf_counter_ns()
    start = start_of_page(caller, request)
    digest = _digest_in_scope(caller, request)
    page, revision = _Search(caller, request, is_in_scope=digest is not None).page(start)
    token = "" if page.is_end else token_for(caller, request, PageStart(page.after, start.limit, start.sent))
    digest = digest or policy().digest
    item = _logged_decision(request, page, digest, time.perf_counter_ns() - started)
    names = [candidate.name for candidate in page.allowed]
    recorded = decision_log.current().write(clock.timestamp(), caller.reference, revision, item)
    return SearchResult(recorded, names, token, digest, revision)


class _Search:
    """One search, within its budget of time."""

    def __init__(self, caller: Caller, request: SearchRequest, *, is_in_scope: bool) -> None:
        self._client = caller.client
        self._target = request.target
        self._evaluation = request.evaluation
        self._is_in_scope = is_in_scope
        self._at_once = RECORDS_LIMIT if _looks_at_records(request) else CANDIDATES_LIMIT
        self._deadline = time.perf_counter() + BUDGET_SECONDS

    def page(self, start: PageStart) -> tuple[_Stretch, int]:
        """Return the page that begins at `start`, and a revision that all of it includes."""
        # One more than is shown: only then is it certain that there is more.
        wanted = start.limit + 1
        stretch, revision = self._next(start.after, wanted)
        allowed = stretch.allowed
        while not stretch.is_end and len(allowed) < wanted and time.perf_counter() < self._deadline:
            more, _later = self._next(stretch.after, wanted - len(allowed))
            allowed += more.allowed
            stretch = more._replace(has_failed=stretch.has_failed or more.has_failed)
        if len(allowed) < wanted:
            return stretch._replace(allowed=allowed), revision
        allowed.pop()
        after = allowed[-1].place if allowed else start.after
        return stretch._replace(allowed=allowed, after=after, is_end=False), revision

    def _next(self, after: str, wanted: int) -> tuple[_Stretch, int]:
        types = self._evaluation.subject.type, self._evaluation.resource.type
        for resolver in resolvers(self._client, self._evaluation.at_least_revision, types):
            stretch = self._examine(resolver, after, wanted)
        return stretch, resolver.revision

    def _examine(self, resolver: Resolver, after: str, wanted: int) -> _Stretch:
        """Decide about the candidates after `after`, until `wanted` are found or time is over; about one at least."""
        organisation = resolver.organisation_of(self._evaluation)
        is_unknown = self._evaluation.organisation is not None and organisation is None
        if is_unknown and resolver.view.has_organisations():
            return _Stretch([], after, is_end=True, subject=self._subject(resolver))
        context = context_of(self._evaluation, organisation)
        # Half as many again as are wanted: most who hold a role may do something, and each takes time to load.
        at_once = min(self._at_once, max(RECORDS_LIMIT, wanted * 3 // 2))
        candidates = self._candidates(resolver, organisation, after, at_once)
        allowed: list[_Candidate] = []
        examined, has_failed = 0, False
        for examined, candidate in enumerate(candidates, 1):  # noqa: B007  (how far we came, used below)
            decision = decide(candidate.subject, candidate.action, candidate.resource, context)
            has_failed = has_failed or decision.reason is Reason.POLICY_ERROR
            if decision.allowed and self._may_be_found(candidate.subject, context):
                allowed.append(candidate)
            after = candidate.place
            if len(allowed) == wanted or time.perf_counter() >= self._deadline:
                break
        is_end = examined == len(candidates) < at_once
        at = "" if organisation is None else organisation.public_id
        return _Stretch(allowed, after, is_end, self._subject(resolver), at, has_failed)

    def _may_be_found(self, subject: facts.Fact, context: facts.Context) -> bool:
        """Return whether the client may learn about a person whom it did not name itself."""
        if self._target is not SearchTarget.SUBJECT or not isinstance(subject, facts.Person):
            return True
        return decide(self._client, Action.LEARN_ABOUT, subject, context).allowed

    def _subject(self, resolver: Resolver) -> str:
        """Return how the log names whom the search is about; a star is everybody, or all of a type."""
        if self._target is SearchTarget.SUBJECT:
            named = self._evaluation.subject.type
            return f"{named}:*" if named in policy().subject_kinds else "person:*"
        subject = resolver.subject(self._evaluation.subject)
        if isinstance(subject, facts.Person):
            return f"person:{subject.public_id}"
        return "unknown" if subject is None else f"{self._evaluation.subject.type}:{subject.id}"

    def _candidates(
        self, resolver: Resolver, organisation: facts.Organisation | None, after: str, at_once: int
    ) -> list[_Candidate]:
        """Return the next candidates in their order, at most `at_once`."""
        subject, action, resource = self._evaluation.subject, self._evaluation.action.name, self._evaluation.resource
        if not self._is_in_scope:
            return []
        if self._target is SearchTarget.SUBJECT:
            found = resolver.resource(resource, organisation)
            if found is None or not _has_action(found, action):
                return []
            if not resolver.is_person(subject):
                subjects = resolver.subjects_after(subject, after, at_once)
                return [_Candidate(one.id, one.id, one, action, found) for one in subjects]
            people = resolver.people_after(subject, organisation, after, at_once)
            return [_Candidate(one.person.public_id, one.name, one.person, action, found) for one in people]
        asked = resolver.subject(subject)
        if asked is None:
            return []
        if self._target is SearchTarget.RESOURCE:
            resources = resolver.resources_after(resource, organisation, after, at_once)
            named = [(_name(one), one) for one in resources if _has_action(one, action)]
            return [_Candidate(name, name, asked, action, one) for name, one in named]
        found = resolver.resource(resource, organisation)
        if found is None:
            return []
        actions = sorted(name for name in questions_about(policy(), found) if name > after)
        return [_Candidate(name, name, asked, name, found) for name in actions[:at_once]]


def _digest_in_scope(caller: Caller, request: SearchRequest) -> str | None:
    """Return the digest of the policy that lets the caller search this; None of a type that it may not ask about.

    Searching a type that a key may not use returns no results, as for an unknown type: which types others have is not
    to be learned here.
    """
    resource = request.evaluation.resource
    with ClientScope(caller) as scope:
        try:
            digest = scope.check(resource.type, None)
        except (NotPermittedError, UnknownResourceError):
            return None
        try:
            return digest if request.target is SearchTarget.RESOURCE else scope.check(resource.type, resource.id)
        except UnknownResourceError:
            return None


def _looks_at_records(request: SearchRequest) -> bool:
    asked = request.evaluation
    if request.target is SearchTarget.SUBJECT:
        return asked.subject.type in policy().subject_kinds
    return request.target is SearchTarget.RESOURCE and asked.resource.type not in DIRECTORY_KINDS


def _has_action(resource: facts.Fact, action: str) -> bool:
    return action in questions_about(policy(), resource)


def _name(resource: facts.Service | facts.Role | facts.Record) -> str:
    return resource.id if isinstance(resource, facts.Record) else resource.slug


def _logged_decision(request: SearchRequest, page: _Stretch, digest: str, nanoseconds: int) -> LoggedDecision:
    """Return how the log names a search: what was searched for is a star."""
    evaluation, target = request.evaluation, request.target
    reason = Reason.ALLOWED if page.allowed else Reason.POLICY_ERROR if page.has_failed else Reason.NOT_ALLOWED
    return (
        page.subject,
        "*" if target is SearchTarget.ACTION else evaluation.action.name,
        f"{evaluation.resource.type}:{'*' if target is SearchTarget.RESOURCE else evaluation.resource.id}",
        page.organisation,
        bool(page.allowed),
        reason,
        digest,
        nanoseconds,
        None,
    )
