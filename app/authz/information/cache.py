"""The facts that decisions are made about, cached in memory and never stale.

Every entry is as the database held it at `DirectoryView.revision`. A thread that finds a newer revision reads the
events since, invalidates just the entries that they name, and only then loads anything else; so facts of two revisions
never meet in one decision. What was changed without an event, or in another history of the database, invalidates
everything. Facts from before and after a change would never have been true together, and could allow
what was never allowed. The passing of time invalidates nothing: facts know when a grant begins and ends, and are asked
with the moment.
"""

import gc
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from threading import RLock
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

from app.audit.queries import changes, events_after, is_recorded
from app.authz import facts
from app.authz.information import directory
from app.authz.information.freshness import Freshness
from app.authz.information.invalidations import DIRECTORY, Invalidations
from app.authz.information.people import LoadedPerson
from app.authz.information.record_cache import RecordCache
from app.authz.information.relevance import IRRELEVANT_EVENTS
from app.kernel.database import database, reading, staying_connected
from app.kernel.metrics import people_cache
from app.kernel.tokens import hash_token
from app.records.queries import record_named, records_after
from app.runtime import current as current_runtime

T = TypeVar("T")

_CAPACITY = 20_000
"""How many organisations and roles at organisations are cached, each."""
_FREEZE_AFTER = 500
"""How many people are loaded before they are taken out of the garbage collector's sight."""
_EVENT_LIMIT = 2_000
"""After more events than this at once, invalidating everything is less work than looking at each."""
_REVISION_LIMIT = 1_000
"""How many revisions are remembered that a view includes."""

_views: "WeakSet[DirectoryView]" = WeakSet()
"""Every view of this process."""


class NotFreshError(Exception):
    """The database does not hold the revision that a caller asked for at least."""


class Caller(NamedTuple):
    """An authenticated client and its audit reference (`client:ID`)."""

    client: facts.Client
    reference: str


class DirectoryView:
    """What this process knows of the directory, which its threads share. One that was forked keeps what it knows."""

    def __init__(self, people_capacity: int) -> None:
        self._seen = (-1, -1)
        """The newest revision that everything in this view includes, and how many changes without an event it does."""
        self._invalidations = Invalidations()
        self._included: dict[int, None] = {}
        """Revisions that this view is known to include; others may be of another history."""
        self._people_capacity = people_capacity
        self.begin()
        self._people: dict[str, facts.Person] = {}
        self._unfrozen = 0
        """How many people were loaded since the garbage collector last froze them."""
        self._evicted = 0
        """At most how many frozen people have been evicted and not freed yet."""
        self._nobody: dict[str, None] = {}
        """Names that were asked about and are nobody's. Somebody who is there must not be found sooner than nobody."""
        self._ids_by_address: dict[str, str] = {}
        self._addresses_by_id: dict[str, tuple[str, ...]] = {}
        self._organisations: dict[str, facts.Organisation] = {}
        self._catalogue: directory.Catalogue | None = None
        self._roles_at: dict[tuple[str, str], facts.Role] = {}
        self._records = RecordCache()
        self._callers: dict[bytes, Caller] = {}
        """By a digest of the key, quicker than the one in the database: OpenSSL's SHA-256 took a tenth of a request."""
        self._digest_key = secrets.token_bytes(32)
        _views.add(self)

    def begin(self) -> None:
        """Begin to look for changes in this process: what another one watches with, or holds, must not be shared."""
        self._lock = RLock()
        """Held while loading or invalidating; a cache hit needs no lock."""
        self.freshness = Freshness(self._catch_up)
        """Whether everything here is as the database holds it."""

    @property
    def size(self) -> int:
        """How many people are cached."""
        return len(self._people)

    @property
    def revision(self) -> int:
        """The newest change that everything in this view includes."""
        return self._seen[0]

    def close(self) -> None:
        """Stop watching the database."""
        self.freshness.close()

    def snapshots(self, at_least: int = 0, types: Collection[str] = (), *, is_fresh: bool = False) -> Iterator[int]:
        """Yield the revision at which the loop's body reads this view, again until all that it read is of one revision.

        Of registered resources it reads those of `types` alone. The revision is not older than `at_least`. `is_fresh`
        says that `fresh` was called since the request arrived and need not be again: what was changed after that was
        changed while the request was under way. Nearly always one pass is enough; another one follows if a change
        invalidated entries meanwhile. Raises `NotFreshError`.
        """
        while True:
            if not is_fresh or (at_least and (self.freshness.is_stale or at_least not in self._included)):
                self.fresh(at_least)
            count = self._invalidations.count
            yield self._seen[0]
            # Compared here first, as this is asked of every answer.
            if self._invalidations.count == count or not self._invalidations.since(count, types):
                return

    def fresh(self, at_least: int = 0) -> int:
        """Learn of every change that has been committed, and return the revision of the newest.

        On PostgreSQL news of a change takes a few milliseconds; `at_least` makes certain. Raises `NotFreshError` when
        the database does not hold that revision: nobody made it, or in another history.

        While the database is away, what is known goes on to count for as long as the setting ANSWER_WITHOUT_DATABASE
        says, but never for `at_least`. Raises `DatabaseAwayError` after that.
        """
        self.freshness.renew(is_certain=at_least > 0)
        if at_least and at_least not in self._included:
            self._look_for(at_least)
        return self.revision

    def person(self, name: str) -> facts.Person | None:
        """Return the person with this public id or e-mail address."""
        if name in self._nobody:
            return None
        if "@" in name:
            address = name.strip().lower()
            public_id = self._ids_by_address.get(address)
            cached = None if public_id is None else self._people.get(public_id)
            return cached or self._load(lambda: self._load_people(directory.people_by_address(address), name))
        cached = self._people.get(name)
        return cached or self._load(lambda: self._load_people(directory.people_by_public_id(name), name))

    def people_after(self, public_id: str, limit: int) -> list[LoadedPerson]:
        """Return up to `limit` people whose public ids follow `public_id`, in order; they are not cached."""
        return self._read(lambda: directory.people_after(public_id, limit))

    def holders_after(self, service: str, organisation: str | None, public_id: str, limit: int) -> list[LoadedPerson]:
        """Return those of `people_after` who hold or held a role of a service, at one organisation if it is named."""
        return self._read(lambda: directory.holders_after(service, organisation, public_id, limit))

    def organisation(self, name: str) -> facts.Organisation | None:
        """Return the organisation with this public id or centre number."""
        return self._organisations.get(name) or self._load(lambda: self._load_organisation(name))

    def has_organisations(self) -> bool:
        """Return whether the directory has organisations."""
        return self._read(directory.has_organisations)

    def services(self) -> Iterable[facts.Service]:
        """Return the whole catalogue, by slug."""
        return (self._catalogue or self._load_catalogue()).services.values()

    def service(self, slug: str) -> facts.Service | None:
        """Return the service with this slug."""
        return (self._catalogue or self._load_catalogue()).services.get(slug)

    def role(self, slug: str, organisation: facts.Organisation | None = None) -> facts.Role | None:
        """Return the role with this slug as held at `organisation`; at any organisation where that is None."""
        role = (self._catalogue or self._load_catalogue()).roles.get(slug)
        return role if role is None or organisation is None else self._role_at(role, organisation)

    def roles_of(self, service: facts.Service) -> tuple[facts.Role, ...]:
        """Return the roles of a service, in their order."""
        return (self._catalogue or self._load_catalogue()).roles_of.get(service.slug, ())

    def roles(self) -> list[facts.Role]:
        """Return every role, in their order."""
        return list((self._catalogue or self._load_catalogue()).roles.values())

    def record(self, kind: type[facts.Record], type_name: str, public_id: str) -> facts.Record | None:
        """Return the registered resource of a `kind`, which messages call `type_name`."""
        cached = self._records.get(type_name, public_id)
        return cached.record if cached else self._load(lambda: self._load_record(kind, type_name, public_id))

    def records_after(self, kind: type[facts.Record], type_name: str, public_id: str, limit: int) -> list[facts.Record]:
        """Return up to `limit` registered resources whose ids follow `public_id`, in order; they are not cached."""
        return self._read(
            lambda: [directory.record(kind, row) for row in records_after(type_name, public_id, limit)], [type_name]
        )

    def caller(self, key: str) -> Caller | None:
        """Return the client with this key. A key that has ended takes as long as one that never existed."""
        digest = blake2b(key.encode("utf-8", "surrogatepass"), key=self._digest_key, digest_size=32).digest()
        return self._callers.get(digest) or self._load(lambda: self._load_caller(digest, hash_token(key)))

    def _catch_up(self) -> None:
        self._load(lambda: None)

    def _look_for(self, revision: int) -> None:
        """Learn whether a revision is of this history. Raises `NotFreshError` when it is not."""
        if not self._load(lambda: is_recorded(revision)):
            raise NotFreshError
        with self._lock:
            self._include(revision)

    def _include(self, revision: int) -> None:
        _make_room(self._included, _REVISION_LIMIT)
        self._included[revision] = None

    def _load(self, load: Callable[[], T]) -> T:
        """Return what `load` reads in a snapshot of the database that everything else here has caught up with."""
        # Inside a transaction, a change that is yet to be undone would be cached, or one that has been committed since
        # would be missed.
        if database.in_transaction():
            raise RuntimeError("ask the view outside of any transaction")
        with self._lock, staying_connected(), reading():
            self._apply_events()
            return load()

    def _read(self, read: Callable[[], T], types: Collection[str] = ()) -> T:
        """Return what `read` reads, at the revision of everything else here; of records, only those of `types`."""
        # Nobody waits for it, and nothing is cached.
        while True:
            count = self._invalidations.count
            with staying_connected(), reading():
                as_of = changes()
                found = read()
            if as_of != self._seen:
                self._catch_up()
            if not self._invalidations.since(count, types):
                return found

    def _apply_events(self) -> None:
        """Invalidate what has changed since `revision`. Called in a snapshot, whose newest revision becomes ours."""
        now = changes()
        if now == self._seen:
            return
        events = list(islice(events_after(self.revision), _EVENT_LIMIT)) if self.revision >= 0 else []
        is_other_history = self.revision >= 0 and not is_recorded(self.revision)
        sorts: set[str] = set()
        if is_other_history or len(events) == _EVENT_LIMIT or now[1] != self._seen[1]:
            self._invalidate_all()
            sorts.add(DIRECTORY)
        sorts.update(self._invalidate(*event[1:]) for event in events if event[0] not in IRRELEVANT_EVENTS)
        # Before anything of the new revision comes in: a thread that reads several entries looks at this last.
        self._invalidations.note(sorts)
        self._seen = now
        self._include(now[0])

    def _invalidate(self, subject: str, person: str) -> str:
        """Forget what an event was about, and return which sort of entries that is."""
        kind, _, public_id = subject.partition(":")
        if person:
            # They may have come, or have another address.
            self._nobody.clear()
            self._evict_person(person)
        elif kind == "organisation":
            self._invalidate_organisation(public_id)
        elif kind == "record":
            type_name, _, record_id = public_id.partition(":")
            self._records.pop(type_name, record_id)
            return type_name
        elif kind == "client":
            self._callers.clear()
        else:
            self._invalidate_all()
        return DIRECTORY

    def _evict_person(self, public_id: str) -> None:
        self._evicted += 1
        people_cache.labels("evicted").inc()
        self._people.pop(public_id, None)
        for address in self._addresses_by_id.pop(public_id, ()):
            self._ids_by_address.pop(address, None)

    def _invalidate_organisation(self, public_id: str) -> None:
        # It is cached under its centre number as well.
        for name in [name for name, cached in self._organisations.items() if cached.public_id == public_id]:
            del self._organisations[name]
        for key in [key for key in self._roles_at if key[1] == public_id]:
            del self._roles_at[key]
        members = [
            person.public_id
            for person in self._people.values()
            if any(membership.organisation.public_id == public_id for membership in person.memberships)
        ]
        for member in members:
            self._evict_person(member)

    def _invalidate_all(self) -> None:
        self._catalogue = None
        self._evicted += len(self._people)
        people = (self._people, self._nobody, self._ids_by_address, self._addresses_by_id)
        for entries in (*people, self._organisations, self._roles_at, self._callers, self._included):
            entries.clear()
        self._records.clear()

    def _load_catalogue(self) -> directory.Catalogue:
        return self._load(self._read_catalogue)

    def _read_catalogue(self) -> directory.Catalogue:
        # Set while the lock is held: afterwards it could be that of a revision before the last invalidation.
        self._catalogue = directory.catalogue()
        return self._catalogue

    def _load_people(self, found: Iterator[LoadedPerson], name: str) -> facts.Person | None:
        """Cache the people that were found under a name, and return the first."""
        first = None
        for person, addresses in found:
            people_cache.labels("loaded").inc()
            _make_room(self._people, self._people_capacity, self._evict_person)
            self._people[person.public_id] = person
            self._addresses_by_id[person.public_id] = addresses
            self._ids_by_address.update(dict.fromkeys(addresses, person.public_id))
            first = first or person
            self._unfrozen += 1
        if first is None:
            _make_room(self._nobody, _CAPACITY)
            self._nobody[name] = None
        if self._unfrozen >= _FREEZE_AFTER:
            self._freeze()
        return first

    def _freeze(self) -> None:
        """Free the people who were evicted, and have the garbage collector ignore those who are cached.

        A person and their memberships refer to each other, so only the collector frees them. It scans all old objects
        whenever a quarter has been added to them, be it by answers on their way into the log: with 20,000 people cached
        that stopped all threads for 0.2 seconds, several times a minute, with nothing to free. So it happens only when
        a quarter of those who are cached have been evicted.
        """
        if self._evicted >= max(_FREEZE_AFTER, self._people_capacity // 4):
            gc.unfreeze()
            self._evicted = 0
        gc.collect()
        gc.freeze()
        self._unfrozen = 0

    def _load_organisation(self, name: str) -> facts.Organisation | None:
        found = directory.organisation_named(name)
        if found is not None:
            _make_room(self._organisations, _CAPACITY)
            self._organisations[name] = found
        return found

    def _load_record(self, kind: type[facts.Record], type_name: str, public_id: str) -> facts.Record | None:
        row = record_named(type_name, public_id)
        found = None if row is None else directory.record(kind, row)
        self._records.put(type_name, public_id, found, 0 if row is None else len(json.dumps(row.properties)))
        return found

    def _load_caller(self, digest: bytes, key_hash: str) -> Caller | None:
        client = directory.client_with_key_hash(key_hash)
        if client is None:
            return None
        # A guessed or ended key finds no client, so only keys in force take room.
        self._callers[digest] = Caller(client, f"client:{client.public_id}")
        return self._callers[digest]

    def _role_at(self, role: facts.Role, organisation: facts.Organisation) -> facts.Role:
        cached = self._roles_at.get((role.slug, organisation.public_id))
        # The organisation may have been evicted and loaded again, and its state is one of the role's facts.
        if cached is None or cached.organisation is not organisation:
            cached = replace(role, organisation=organisation)
            with self._lock:
                _make_room(self._roles_at, _CAPACITY)
                self._roles_at[role.slug, organisation.public_id] = cached
        return cached


def _make_room(entries: dict[T, Any], capacity: int, evict: Callable[[T], object] | None = None) -> None:
    """Evict the oldest of `entries` if the cache is full. By age, not by use: a hit must not have to write."""
    if len(entries) >= capacity:
        (evict or entries.pop)(next(iter(entries)))


def current() -> DirectoryView:
    """Return the view of the current runtime."""
    return current_runtime().view


def _begin_again() -> None:
    for view in list(_views):
        view.begin()


os.register_at_fork(after_in_child=_begin_again)
