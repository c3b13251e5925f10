"""The facts that decisions are made about, kept in memory and never stale.

Every entry is as the database held it at `View.revision`. Whoever finds a newer revision reads the events since, drops
just what they name, and only then loads anything else; so facts of two revisions never meet in one decision. Half from
before a change and half from after it, they would be facts that never held together, and could allow what was never
allowed. Time needs no dropping: facts hold when a grant begins and ends, and are asked with the moment.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Lock, RLock
from time import monotonic, sleep
from typing import Any, Final, NamedTuple, TypeVar

from app.audit.queries import events_after
from app.audit.queries import revision as newest_revision
from app.authz import facts
from app.authz.information import directory
from app.authz.information.people import Found
from app.config import settings
from app.kernel.change_feed import watch
from app.kernel.database import database, reading, staying_connected
from app.records.queries import record_named, records_after
from app.vocabulary import EventName

T = TypeVar("T")

_MOST_OTHERS = 20_000
"""How many organisations, records and roles at organisations are kept, each."""
_SETTLED_AT_ONCE = 500
"""People that are loaded before Python is told not to look for garbage among them."""
_MOST_EVENTS = 2_000
"""After more events than this at once, to drop everything is less work than to look at each."""
_PATIENCE_SECONDS = 1.0
"""How long a question waits for a revision that this process has not heard of yet."""
_LOOK_SECONDS = 0.01

HARMLESS: Final = frozenset(
    {
        EventName.DECIDING_FAILED,
        EventName.INVITATION_SENT,
        EventName.MAIL_REFUSED,
        EventName.MAIL_SENT,
        EventName.PASSWORD_CHANGED,
        EventName.PASSWORD_RESET_ASKED,
        EventName.REFUSED,
        EventName.SERVICE_OPENED,
        EventName.SESSION_ENDED,
        EventName.SIGNED_IN,
        EventName.SIGN_IN_FAILED,
    }
)
"""Events that change no fact. Any other that names nobody in particular makes everything be read anew."""


class NotFreshError(Exception):
    """The revision that a caller asked for at least has not come to be known in time."""


class Caller(NamedTuple):
    """A client with what is said to it and of it."""

    fact: facts.Client
    reference: str


class View:
    """What this process knows of the directory. Threads share it; it must not be carried through a fork."""

    def __init__(self) -> None:
        self.revision = -1
        """The newest change that everything here knows of."""
        self._most_people = settings().cache_people
        self._lock = RLock()
        """Held by whoever loads or drops; who finds what is here needs none."""
        self._looking = Lock()
        self._watch = watch()
        self._is_behind = True
        """Whether something was noticed that has not been read yet."""
        self._people: dict[str, facts.Person] = {}
        self._unsettled = 0
        """How many people were loaded since the last time that they were settled."""
        self._gone = 0
        """How many settled people were dropped, at most, and are not free yet."""
        self._addresses: dict[str, str] = {}
        self._addresses_of: dict[str, tuple[str, ...]] = {}
        self._organisations: dict[str, facts.Organisation] = {}
        self._catalogue: directory.Catalogue | None = None
        self._roles_at: dict[tuple[str, str], facts.Role] = {}
        self._records: dict[tuple[str, str], facts.Record] = {}
        self._callers: dict[str, Caller] = {}

    def close(self) -> None:
        """Stop watching the database."""
        self._watch.close()

    def gather(self, collect: Callable[["View"], T], *, at_least: int = 0, has_looked: bool = False) -> tuple[T, int]:
        """Return what `collect` takes from this view, all of one revision that is not older than `at_least`, and which.

        `has_looked` tells that `fresh` was called since the request came in, and need not be again: what was changed
        after that was changed while the question was asked. Raises `NotFreshError`.
        """
        while True:
            revision = self.revision if has_looked and self.revision >= at_least else self.fresh(at_least)
            collected = collect(self)
            # Somebody else's change may have come in between, and with it newer facts than the first ones.
            if self.revision == revision:
                return collected, revision

    def fresh(self, at_least: int = 0) -> int:
        """Learn of every change that has been committed, and return the newest one's revision.

        On PostgreSQL a change takes a few milliseconds to be heard of; `at_least` makes certain. Raises
        `NotFreshError` when that revision has not come within a second.
        """
        # Who looks tells nobody else what there was to see, so the others wait until it has been read; and when that
        # fails, the next one has to try again.
        with self._looking:
            self._is_behind = self._watch.has_changed() or self._is_behind
            if self._is_behind:
                self._catch_up()
                self._is_behind = False
        if self.revision < at_least:
            self._wait_for(at_least)
        return self.revision

    def person(self, name: str) -> facts.Person | None:
        """Return the person with this public id or e-mail address."""
        if "@" in name:
            address = name.strip().lower()
            public_id = self._addresses.get(address)
            known = None if public_id is None else self._people.get(public_id)
            return known or self._load(lambda: self._load_people(directory.people_by_address(address)))
        return self._people.get(name) or self._load(lambda: self._load_people(directory.people_by_public_id(name)))

    def people_after(self, public_id: str, limit: int) -> list[facts.Person]:
        """Return up to `limit` people in the order of their public ids, from after `public_id` on; none is kept."""
        return self._load(lambda: [found.person for found in directory.people_after(public_id, limit)])

    def organisation(self, name: str) -> facts.Organisation | None:
        """Return the organisation with this public id or centre number."""
        return self._organisations.get(name) or self._load(lambda: self._load_organisation(name))

    def services(self) -> Iterable[facts.Service]:
        """Return the whole catalogue, by slug."""
        return self._known_catalogue().services.values()

    def service(self, slug: str) -> facts.Service | None:
        """Return the service with this slug."""
        return self._known_catalogue().services.get(slug)

    def role(self, slug: str, at: facts.Organisation | None = None) -> facts.Role | None:
        """Return the role with this slug, as held at organisation `at`; at any, where that is None."""
        role = self._known_catalogue().roles.get(slug)
        return role if role is None or at is None else self._role_at(role, at)

    def roles_of(self, service: facts.Service) -> tuple[facts.Role, ...]:
        """Return the roles of a service, in their order."""
        return self._known_catalogue().roles_of.get(service.slug, ())

    def roles(self) -> list[facts.Role]:
        """Return every role, in their order."""
        return list(self._known_catalogue().roles.values())

    def record(self, kind: type[facts.Record], type_name: str, public_id: str) -> facts.Record | None:
        """Return the registered thing of a `kind`, which messages call `type_name`."""
        known = self._records.get((type_name, public_id))
        return known or self._load(lambda: self._load_record(kind, type_name, public_id))

    def records_after(self, kind: type[facts.Record], type_name: str, public_id: str, limit: int) -> list[facts.Record]:
        """Return up to `limit` registered things in the order of their ids, from after `public_id` on; none is kept."""
        return self._load(lambda: [directory.record(kind, row) for row in records_after(type_name, public_id, limit)])

    def caller(self, key_hash: str) -> Caller | None:
        """Return the client whose key has this hash. One that has ended takes as long as one that never was."""
        return self._callers.get(key_hash) or self._load(lambda: self._load_caller(key_hash))

    def _catch_up(self) -> None:
        self._load(lambda: None)

    def _wait_for(self, revision: int) -> None:
        give_up = monotonic() + _PATIENCE_SECONDS
        while True:
            self._catch_up()
            if self.revision >= revision:
                return
            if monotonic() > give_up:
                raise NotFreshError
            sleep(_LOOK_SECONDS)

    def _load(self, load: Callable[[], T]) -> T:
        """Return what `load` reads, at a moment of which everything else here knows too."""
        # There, a change would be kept here that may yet be undone, or one be missed that has come since.
        if database.in_transaction():
            raise RuntimeError("ask the view outside of any transaction")
        with self._lock, staying_connected(), reading():
            self._apply_events()
            return load()

    def _apply_events(self) -> None:
        """Drop what has changed since `revision`. Called in a snapshot, whose newest revision becomes ours."""
        newest = newest_revision()
        if newest == self.revision:
            return
        events = list(islice(events_after(self.revision), _MOST_EVENTS)) if self.revision >= 0 else []
        # A number that goes back is one of another history: a backup, or a standby that had not heard everything.
        if len(events) == _MOST_EVENTS or newest < self.revision:
            self._drop_everything()
        for name, subject, person in events:
            if name not in HARMLESS:
                self._drop(subject, person)
        # Before anything of the new revision comes in: who gathers looks at this number last.
        self.revision = newest

    def _drop(self, subject: str, person: str) -> None:
        kind, _, public_id = subject.partition(":")
        if person:
            self._drop_person(person)
        elif kind == "organisation":
            self._drop_organisation(public_id)
        elif kind == "record":
            type_name, _, record_id = public_id.partition(":")
            self._records.pop((type_name, record_id), None)
        elif kind == "client":
            self._callers.clear()
        else:
            self._drop_everything()

    def _drop_person(self, public_id: str) -> None:
        self._gone += 1
        self._people.pop(public_id, None)
        for address in self._addresses_of.pop(public_id, ()):
            self._addresses.pop(address, None)

    def _drop_organisation(self, public_id: str) -> None:
        # Known by its number as well.
        for name in [name for name, known in self._organisations.items() if known.public_id == public_id]:
            del self._organisations[name]
        for key in [key for key in self._roles_at if key[1] == public_id]:
            del self._roles_at[key]
        members = [
            person.public_id
            for person in self._people.values()
            if any(held.organisation.public_id == public_id for held in person.memberships)
        ]
        for member in members:
            self._drop_person(member)

    def _drop_everything(self) -> None:
        self._catalogue = None
        self._gone += len(self._people)
        self._people.clear()
        self._addresses.clear()
        self._addresses_of.clear()
        self._organisations.clear()
        self._roles_at.clear()
        self._records.clear()
        self._callers.clear()

    def _known_catalogue(self) -> directory.Catalogue:
        return self._catalogue or self._load(self._load_catalogue)

    def _load_catalogue(self) -> directory.Catalogue:
        self._catalogue = directory.catalogue()
        return self._catalogue

    def _load_people(self, found: Iterator[Found]) -> facts.Person | None:
        """Keep the people that were found, and return the first."""
        first = None
        for person, addresses in found:
            _make_room(self._people, self._most_people, self._drop_person)
            self._people[person.public_id] = person
            self._addresses_of[person.public_id] = addresses
            self._addresses.update(dict.fromkeys(addresses, person.public_id))
            first = first or person
            self._unsettled += 1
        if self._unsettled >= _SETTLED_AT_ONCE:
            self._settle()
        return first

    def _settle(self) -> None:
        """Free the people who are not kept any more, and have Python not look for garbage among the others.

        A person and their memberships name each other, so somebody has to go and look. Python looks through all that
        has grown old whenever a quarter has come on top of it, be it of answers on their way into the log: with 20,000
        people kept that stopped all threads for 0.2 seconds, several times a minute, and nothing was to be freed. So
        it happens only when a quarter of those who are kept have been dropped.
        """
        if self._gone >= max(_SETTLED_AT_ONCE, self._most_people // 4):
            gc.unfreeze()
            self._gone = 0
        gc.collect()
        gc.freeze()
        self._unsettled = 0

    def _load_organisation(self, name: str) -> facts.Organisation | None:
        found = directory.organisation_named(name)
        if found is not None:
            _make_room(self._organisations, _MOST_OTHERS)
            self._organisations[name] = found
        return found

    def _load_record(self, kind: type[facts.Record], type_name: str, public_id: str) -> facts.Record | None:
        row = record_named(type_name, public_id)
        if row is None:
            return None
        _make_room(self._records, _MOST_OTHERS)
        self._records[type_name, public_id] = directory.record(kind, row)
        return self._records[type_name, public_id]

    def _load_caller(self, key_hash: str) -> Caller | None:
        found = directory.client_with_key_hash(key_hash)
        if found is None:
            return None
        # A guessed or ended key finds nobody, so only those in force take room.
        self._callers[key_hash] = Caller(found, f"client:{found.public_id}")
        return self._callers[key_hash]

    def _role_at(self, role: facts.Role, at: facts.Organisation) -> facts.Role:
        known = self._roles_at.get((role.slug, at.public_id))
        # The organisation may have been dropped and loaded anew, and its state is part of the role's facts.
        if known is None or known.organisation is not at:
            known = facts.Role(role.slug, role.service, at, officers_may_give=role.officers_may_give)
            with self._lock:
                _make_room(self._roles_at, _MOST_OTHERS)
                self._roles_at[role.slug, at.public_id] = known
        return known


def _make_room(entries: dict[T, Any], most: int, drop: Callable[[T], object] | None = None) -> None:
    """Drop the oldest of `entries` if there are `most`. By age, not by use: a look-up must not have to write."""
    if len(entries) >= most:
        (drop or entries.pop)(next(iter(entries)))


_view: View | None = None
_making = Lock()


def current() -> View:
    """Return the view of this process, made when it is first asked for: in the process that uses it."""
    global _view  # noqa: PLW0603  (one view is what makes it shared)
    if _view is None:
        with _making:
            _view = _view or View()
    return _view


def forget() -> None:
    """Close the view of this process; the next one looks at the database that is bound then."""
    global _view  # noqa: PLW0603  (as in `current`)
    if _view is not None:
        _view.close()
    _view = None
