"""The facts in memory: always those of the database, however it was changed."""

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from time import monotonic

import pytest
from playhouse.test_utils import count_queries

from app.accounts.activation import activate
from app.accounts.models import EmailAddress, Invitation, Person
from app.audit.operations import record
from app.audit.queries import revision
from app.authz import facts
from app.authz.information import cache
from app.authz.information.cache import _FREEZE_AFTER, IRRELEVANT_EVENTS, DirectoryView, NotFreshError
from app.config import ROOT, Settings
from app.kernel import clock
from app.kernel import database as kernel
from app.kernel.change_feed import PostgresqlWatch
from app.kernel.database import changing, connected
from app.kernel.tokens import hash_token
from app.memberships.models import Membership
from app.memberships.operations import (
    NewPerson,
    RoleGiven,
    add_people,
    cancel_invitation,
    change_roles,
    reactivate,
    remove_person,
    suspend,
)
from app.organisations.models import Organisation
from app.records.operations import delete_record, put_record
from app.runtime import current
from app.services.models import Role, Service
from app.services.operations import NewRole, add_client, add_service
from app.staff.operations import add_staff
from app.vocabulary import EventName, StaffRole
from tests.conftest import ON_POSTGRESQL
from tests.directory import olivia

pytestmark = pytest.mark.usefixtures("cast")


@pytest.fixture
def view(cast: None) -> Iterator[DirectoryView]:
    made = DirectoryView(20_000)
    yield made
    made.close()


def elsewhere(work: Callable[[], object]) -> None:
    """Do `work` on another connection, as another process would."""
    failed = []

    def run() -> None:
        try:
            with connected():
                work()
        except Exception as error:  # noqa: BLE001  (told to the test)
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failed == []


def now_of(view: DirectoryView) -> int:
    """Learn everything, on PostgreSQL too, where notifications take a moment."""
    return view.fresh(revision())


def thomas() -> Membership:
    return Membership.get(Membership.public_id == "thomas-reed@northfield")


def training_role() -> Role:
    return Role.get(Role.slug == "training:user")


def held(view: DirectoryView, person: str = "thomas-reed") -> set[str]:
    found = view.person(person)
    assert found is not None
    return {grant.role.slug for membership in found.memberships for grant in membership.grants}


class TestWhatIsKnown:
    def test_a_person_by_id_and_by_any_address(self, view: DirectoryView) -> None:
        EmailAddress.create(
            person=Person.get(Person.public_id == "thomas-reed"), address="tom@example.org", primary=False
        )
        names = ("thomas-reed", "thomas.reed@example.org", " Tom@Example.ORG")
        found = [view.person(name) for name in names]
        assert found[0] is not None
        assert found == [found[0]] * 3
        assert found[0].memberships[0].organisation == view.organisation("northfield")

    def test_an_organisation_by_id_and_by_number(self, view: DirectoryView) -> None:
        assert view.organisation("90101") == view.organisation("northfield") != None  # noqa: E711

    def test_nobody_and_nothing(self, view: DirectoryView) -> None:
        assert view.person("nobody") is view.person("nobody@example.org") is None
        assert view.organisation("99999") is view.service("x") is view.role("x") is view.caller("x") is None

    def test_the_catalogue(self, view: DirectoryView) -> None:
        training = view.service("training")
        assert training is not None
        assert training.state == "live"
        assert {role.slug for role in view.roles_of(training)} == {
            role.slug for role in Role.select().join(Service).where(Service.slug == "training")
        }
        at = view.organisation("northfield")
        role = view.role("training:user", at)
        assert role is not None
        assert role.organisation == at
        assert view.role("training:user", at) is role

    def test_a_client_by_its_key(self, view: DirectoryView) -> None:
        client, key = add_client("New", Service.get(Service.slug == "training"), ["service"])
        known = view.caller(key)
        assert known is not None
        assert (known.reference, known.client.kinds) == (client.reference, ("service",))

    def test_texts_are_plain_so_that_recorded_decisions_take_them(self, view: DirectoryView) -> None:
        person = view.person("thomas-reed")
        assert person is not None
        membership = person.memberships[0]
        states = (person.state, membership.state, membership.organisation.state)
        assert {type(state) for state in states} == {str}

    def test_what_is_known_is_not_asked_for_again(self, view: DirectoryView) -> None:
        with count_queries() as first:
            assert view.person("thomas-reed")
        with count_queries() as second:
            assert view.person("thomas-reed")
        assert first.count <= 4  # the snapshot, its revision, and two for the person
        assert second.count == 0


def newcomer() -> Membership:
    return Membership.get(Membership.public_id == "ben-castle@northfield")


def activate_newcomer() -> None:
    with changing():
        Invitation.create(
            token_hash=hash_token("link"),
            person=newcomer().person,
            created_at=clock.now(),
            ends_at=clock.now() + timedelta(days=1),
        )
    activate("link", "a long enough password")


CHANGES: dict[str, tuple[Callable[[], object], Callable[[DirectoryView], object]]] = {
    "a role is taken": (
        lambda: change_roles(
            thomas(), give=[], take=[Role.get(Role.slug == "submit-for-assessment:teacher")], by=olivia()
        ),
        held,
    ),
    "a role is given": (
        lambda: change_roles(
            thomas(), give=[RoleGiven(Role.get(Role.slug == "exam-entries:user"))], take=[], by=olivia()
        ),
        held,
    ),
    "a place is suspended": (
        lambda: suspend(thomas(), by=olivia()),
        lambda view: view.person("thomas-reed").memberships[0].state,  # type: ignore[union-attr]
    ),
    "somebody is removed": (
        lambda: remove_person(thomas(), by=olivia()),
        lambda view: view.person("thomas-reed").memberships,  # type: ignore[union-attr]
    ),
    "an invitation is taken back": (
        lambda: cancel_invitation(newcomer(), by=olivia()),
        lambda view: view.person("ben-castle").memberships,  # type: ignore[union-attr]
    ),
    "an account becomes active": (
        activate_newcomer,
        lambda view: view.person("ben-castle").state,  # type: ignore[union-attr]
    ),
    "somebody known is added at another school": (
        lambda: add_people(
            Organisation.get(Organisation.public_id == "westbrook"),
            [NewPerson("", "thomas.reed@example.org", [])],
            by=None,
        ),
        lambda view: len(view.person("thomas-reed").memberships),  # type: ignore[union-attr]
    ),
    "somebody joins the staff": (
        lambda: add_staff("", "thomas.reed@example.org", StaffRole.AUDITOR, by=None),
        lambda view: view.person("thomas-reed").staff_roles,  # type: ignore[union-attr]
    ),
    "a thing is registered anew": (
        lambda: put_record("page", "1", {"size": 2}, by="operator"),
        lambda view: view.record(facts.declared_kind("Page"), "page", "1").properties.get("size"),  # type: ignore[union-attr]
    ),
    "a thing is forgotten": (
        lambda: delete_record("page", "1", by="operator"),
        lambda view: view.record(facts.declared_kind("Page"), "page", "1"),
    ),
    "a service is added": (
        lambda: add_service("new", "New", "New.", "https://new.example.org", [NewRole("user", "User", "")]),
        lambda view: (view.service("new"), view.role("new:user")),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_on_another_connection_is_known_at_once(view: DirectoryView, name: str) -> None:
    change, look = CHANGES[name]
    put_record("page", "1", {"size": 1}, by="operator")
    now_of(view)
    before = look(view)
    elsewhere(change)
    now_of(view)
    assert look(view) != before


def test_without_looking_a_change_is_not_known(view: DirectoryView) -> None:
    """That the tests above find what they should: this is the staleness that looking prevents."""
    now_of(view)
    before = held(view)
    elsewhere(CHANGES["a role is given"][0])
    assert held(view) == before


def test_what_becomes_of_an_organisation_is_known_of_its_people_too(view: DirectoryView) -> None:
    now_of(view)
    assert view.person("thomas-reed")
    assert view.organisation("90101")

    def close() -> None:
        with changing():
            Organisation.update(state="closed").where(Organisation.public_id == "northfield").execute()
            record(EventName.DETAILS_CHANGED, by="operator", subject="organisation:northfield")

    elsewhere(close)
    now_of(view)
    person, place = view.person("thomas-reed"), view.organisation("90101")
    assert person is not None
    assert place is not None
    assert {held.organisation.state for held in person.memberships} == {"closed"} == {place.state}


def test_a_role_is_never_that_of_an_organisation_as_it_was_before(view: DirectoryView) -> None:
    now_of(view)
    before = view.organisation("northfield")
    elsewhere(suspend_northfield)
    now_of(view)
    # A thread that still holds the old organisation asks for the role last.
    assert view.role("training:user", before)
    after = view.organisation("northfield")
    role = view.role("training:user", after)
    assert after is not None
    assert role is not None
    assert role.organisation is after
    assert after.state == "suspended"


def suspend_northfield() -> None:
    with changing():
        Organisation.update(state="suspended").where(Organisation.public_id == "northfield").execute()
        record(EventName.DETAILS_CHANGED, by="operator", subject="organisation:northfield")


def test_only_what_an_event_names_is_read_again(view: DirectoryView) -> None:
    now_of(view)
    kept = view.person("olivia-marsh"), view.service("training"), view.organisation("northfield")
    dropped = view.person("thomas-reed")
    elsewhere(CHANGES["a role is given"][0])
    now_of(view)
    assert (view.person("olivia-marsh"), view.service("training"), view.organisation("northfield")) == kept
    assert view.person("olivia-marsh") is kept[0]
    assert view.person("thomas-reed") is not dropped


def test_an_event_about_something_new_makes_everything_be_read_again(view: DirectoryView) -> None:
    now_of(view)
    before = view.person("olivia-marsh")
    elsewhere(lambda: record(EventName.DETAILS_CHANGED, by="operator", subject="something:new"))
    now_of(view)
    assert view.person("olivia-marsh") is not before


def test_events_that_change_no_fact_drop_nothing(view: DirectoryView) -> None:
    now_of(view)
    before = view.person("olivia-marsh")
    for name in IRRELEVANT_EVENTS:
        elsewhere(lambda name=name: record(name, by="guest", subject="person:olivia-marsh"))
    now_of(view)
    assert view.person("olivia-marsh") is before


def test_no_more_people_are_kept_than_fit_and_everybody_is_still_found(settings: Settings) -> None:
    small = DirectoryView(3)
    names = [person.public_id for person in Person.select()]
    for name in names * 2:
        found = small.person(name)
        assert found is not None
        assert found.public_id == name
    assert len(small._people) == len(small._addresses_by_id) == 3
    assert len(small._ids_by_address) <= 6
    small.close()


def people_in_memory() -> int:
    """Return how many facts about people there are, garbage included."""
    return sum(isinstance(thing, facts.Person) for thing in gc.get_objects())


@pytest.mark.slow
def test_who_is_not_kept_any_more_is_freed_though_python_does_not_look_for_garbage(settings: Settings) -> None:
    made = DirectoryView(3)
    names = [person.public_id for person in Person.select()]
    gc.collect()
    gc.disable()
    before = people_in_memory()
    try:
        for name in names * (5 * _FREEZE_AFTER // len(names) + 1):
            assert made.person(name)
        # Who is kept and was settled is none of Python's business.
        assert gc.get_freeze_count() > 0
        gc.unfreeze()
        # Those who were kept when the last ones were settled may have been dropped since.
        assert people_in_memory() - before <= made._unfrozen + 2 * 3
    finally:
        gc.unfreeze()
        gc.enable()
        made.close()


def test_people_come_in_the_order_of_their_ids_piece_by_piece(view: DirectoryView) -> None:
    everybody = sorted(person.public_id for person in Person.select())
    after, seen = "", []
    while page := view.people_after(after, 4):
        seen += [loaded.person.public_id for loaded in page]
        after = seen[-1]
    assert seen == everybody


class TestAtLeast:
    def test_a_revision_that_is_known_is_answered_at_once(self, view: DirectoryView) -> None:
        newest = revision()
        assert view.fresh(newest) == newest

    def test_a_revision_that_nobody_made_is_none(self, view: DirectoryView) -> None:
        newest = revision()
        elsewhere(CHANGES["a role is given"][0])
        for wanted in (newest - 1, newest + 1, revision() + 1):
            with pytest.raises(NotFreshError):
                view.fresh(wanted)

    def test_an_earlier_revision_is_looked_up_once(self, view: DirectoryView) -> None:
        earlier = revision()
        elsewhere(CHANGES["a role is given"][0])
        assert view.fresh(earlier) == revision()
        with count_queries(only_select=True) as second:
            view.fresh(earlier)
        assert second.count == 0


@pytest.mark.parametrize("is_known", [False, True], ids=["read meanwhile", "in memory"])
def test_facts_that_are_gathered_together_are_of_one_revision(view: DirectoryView, is_known: bool) -> None:
    """A role is given only while the service is hidden, so nobody may ever be seen with both."""

    def set_state(state: str) -> None:
        with changing():
            Service.update(state=state).where(Service.slug == "training").execute()
            record(EventName.DETAILS_CHANGED, by="operator", subject="service:training")

    def open_without_the_role() -> None:
        change_roles(thomas(), give=[], take=[training_role()], by=None)
        set_state("live")

    def collect(known: DirectoryView) -> tuple[bool, str]:
        has_role = "training:user" in held(known)
        if meanwhile:
            elsewhere(meanwhile.pop())
            if is_known:
                elsewhere(lambda: known.fresh(revision()))
        service = known.service("training")
        assert service is not None
        seen.append((has_role, service.state))
        return seen[-1]

    set_state("hidden")
    change_roles(thomas(), give=[RoleGiven(training_role())], take=[], by=None)
    if is_known:
        view.service("training")
        held(view)
    now_of(view)
    meanwhile: list[Callable[[], object]] = [open_without_the_role]
    seen: list[tuple[bool, str]] = []
    wanted = revision()
    for as_of in view.snapshots(wanted):
        collected = collect(view), as_of
    assert collected == ((False, "live"), revision())
    assert seen[0] == (True, "live")


NOTE = facts.declared_kind("Note")


def put_elsewhere(view: DirectoryView, type_name: str, public_id: str) -> None:
    """Register a resource in another process, and have another thread of this one learn of it."""

    def put() -> None:
        put_record(type_name, public_id, {"x": 1}, by="operator")
        view.fresh(revision())

    elsewhere(put)


@pytest.mark.parametrize(("changed", "passes"), [("paper", 1), ("note", 2)])
def test_what_reads_the_view_goes_again_for_its_own_sort_of_resources_alone(
    view: DirectoryView, changed: str, passes: int
) -> None:
    names = iter("abcdefgh")
    made = []
    for _revision in view.snapshots(types=["note", "service"]):
        made.append(view.record(NOTE, "note", "a"))
        # However often another service registers something.
        if changed == "paper" or len(made) == 1:
            put_elsewhere(view, changed, next(names))
        made[-1] = view.record(NOTE, "note", "a")
    assert len(made) == passes
    assert (made[-1] is None) == (changed == "paper")


def test_a_page_is_read_again_for_its_own_sort_of_resources_alone(
    view: DirectoryView, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = cache.records_after

    def read_slowly(type_name: str, public_id: str, limit: int) -> object:
        reads.append(type_name)
        found = read(type_name, public_id, limit)
        put_elsewhere(view, "paper", str(len(reads)))
        if len(reads) == 1:
            put_elsewhere(view, "note", "a")
        return found

    now_of(view)
    monkeypatch.setattr(cache, "records_after", read_slowly)
    assert [one.id for one in view.records_after(NOTE, "note", "", 9)] == ["a"]
    assert reads == ["note", "note"]


def test_that_nothing_is_registered_is_known_until_something_is(view: DirectoryView) -> None:
    assert view.record(NOTE, "note", "a") is None
    with count_queries() as counter:
        assert view.record(NOTE, "note", "a") is None
    assert counter.count == 0
    elsewhere(lambda: put_record("note", "a", {"x": 1}, by="operator"))
    now_of(view)
    found = view.record(NOTE, "note", "a")
    assert found is not None
    assert found.properties.get("x") == 1
    elsewhere(lambda: delete_record("note", "a", by="operator"))
    now_of(view)
    assert view.record(NOTE, "note", "a") is None


def test_eight_threads_share_one_view(view: DirectoryView) -> None:
    names = [person.public_id for person in Person.select()]
    wrong: list[object] = []

    def ask() -> None:
        with connected():
            for name in names * 5:
                person = view.person(name)
                if person is None or person.public_id != name:
                    wrong.append(name)
                view.fresh()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        elsewhere(lambda: suspend(thomas(), by=olivia()))
        elsewhere(lambda: reactivate(thomas(), by=olivia()))
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("transaction", [kernel.reading, changing])
def test_asking_inside_a_transaction_is_refused(
    view: DirectoryView, transaction: Callable[[], AbstractContextManager[None]]
) -> None:
    """What it shows may be older than what is known, or be undone in the end."""
    now_of(view)
    with transaction(), pytest.raises(RuntimeError, match="outside of any transaction"):
        view.person("thomas-reed")


class Interrupted(DirectoryView):
    """A view on which somebody reads the news while the test does something else, or fails to."""

    def __init__(self) -> None:
        super().__init__(20_000)
        self.meanwhile: Callable[[], object] = lambda: None

    def _apply_events(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        super()._apply_events()


@pytest.fixture
def interrupted(cast: None) -> Iterator[Interrupted]:
    made = Interrupted()
    now_of(made)
    yield made
    made.close()


@pytest.mark.skipif(ON_POSTGRESQL, reason="a notification takes a moment")
def test_who_asks_while_somebody_else_reads_the_news_waits_for_them(interrupted: Interrupted) -> None:
    """Whoever looked first used up the sign that there was something to see."""
    answers: list[int] = []

    def ask_too() -> None:
        second.start()
        # Long enough to be answered wrongly; who waits is answered after this.
        second.join(0.5)

    second = threading.Thread(target=lambda: answers.append(interrupted.fresh()))
    interrupted.meanwhile = ask_too
    elsewhere(CHANGES["a role is given"][0])
    answers.append(interrupted.fresh())
    second.join()
    assert answers == [revision()] * 2


@pytest.mark.skipif(ON_POSTGRESQL, reason="a notification takes a moment")
def test_what_was_noticed_but_could_not_be_read_is_read_by_the_next(interrupted: Interrupted) -> None:
    def fail() -> None:
        raise OSError

    interrupted.meanwhile = fail
    elsewhere(CHANGES["a role is given"][0])
    with pytest.raises(OSError):  # noqa: PT011  (the one above)
        interrupted.fresh()
    assert interrupted.fresh() == revision()


def test_threads_that_ask_while_others_change_are_never_answered_from_before(view: DirectoryView) -> None:
    told = [revision()]
    stale: list[tuple[int, int]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            known = told[0]
            answer = view.fresh(known if ON_POSTGRESQL else 0)
            if answer < known:
                stale.append((known, answer))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        give, take = ([RoleGiven(training_role())], []) if number % 2 else ([], [training_role()])
        told[0] = change_roles(thomas(), give=give, take=take, by=None)
    done.set()
    for thread in threads:
        thread.join()
    assert stale == []


def test_after_very_many_events_nothing_is_missed(view: DirectoryView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_EVENT_LIMIT", 3)
    now_of(view)
    before = held(view)
    for _ in range(5):
        elsewhere(lambda: record(EventName.SIGNED_IN, by="guest", subject="person:olivia-marsh"))
    elsewhere(CHANGES["a role is given"][0])
    now_of(view)
    assert held(view) != before


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite needs no listener")
def test_while_the_listener_is_cut_off_every_question_looks_into_the_database(view: DirectoryView) -> None:
    now_of(view)
    watch = view.freshness._watch
    assert isinstance(watch, PostgresqlWatch)
    give_up = monotonic() + 10
    while not watch._listens and monotonic() < give_up:
        view.fresh()
    watch._url = "postgresql://127.0.0.1:1/nowhere"
    kernel.database.execute_sql("select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen tessera'")
    while watch._listens and monotonic() < give_up:
        view.fresh()
    for give in ([], [RoleGiven(training_role())], []):
        elsewhere(lambda give=give: change_roles(thomas(), give=give, take=[] if give else [training_role()], by=None))
        view.fresh()
        assert ("training:user" in held(view)) is bool(give)


def test_another_process_sees_it_too(view: DirectoryView, settings: object) -> None:
    now_of(view)
    before = held(view)
    code = (
        "import sys; from app.kernel import database; database.bind(sys.argv[1])\n"
        "from app.memberships.operations import change_roles, RoleGiven\n"
        "from app.memberships.models import Membership; from app.services.models import Role\n"
        "with database.connected():\n"
        "    change_roles(Membership.get(Membership.public_id == 'thomas-reed@northfield'), take=[],\n"
        "        give=[RoleGiven(Role.get(Role.slug == 'exam-entries:user'))], by=None)\n"
    )
    subprocess.run([sys.executable, "-c", code, current().settings.database_url], cwd=ROOT, check=True)
    now_of(view)
    assert held(view) == before | {"exam-entries:user"}


@pytest.mark.parametrize("name", ["nobody-at-all", "nobody@example.org", "new.colleague@example.org"])
def test_nobody_is_looked_up_as_often_as_somebody(view: DirectoryView, name: str) -> None:
    """Else whoever is there would be found sooner, the second time, than whoever is not."""
    now_of(view)
    somebody = []
    for asked in (name, "thomas-reed"):
        counts = []
        for _ in range(2):
            with count_queries(only_select=True) as queries:
                view.person(asked)
            counts.append(queries.count)
        somebody.append(counts)
    assert somebody[0] == somebody[1]
    assert somebody[0][1] == 0


def test_nobody_who_becomes_somebody_is_found(view: DirectoryView) -> None:
    address = "new.colleague@example.org"
    assert view.person(address) is None
    organisation = Organisation.get(Organisation.public_id == "northfield")
    elsewhere(lambda: add_people(organisation, [NewPerson("New Colleague", address, [])], by=olivia()))
    now_of(view)
    assert view.person(address) is not None


def test_names_of_nobody_take_a_bounded_room(view: DirectoryView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_CAPACITY", 10)
    for number in range(50):
        assert view.person(f"nobody-{number}") is None
    assert len(view._nobody) == 10
