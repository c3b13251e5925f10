"""Changes to the catalogue: services with their roles, and keys that are not kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from peewee import IntegrityError

from app.audit.models import Event
from app.authz.information import directory
from app.kernel import clock
from app.kernel.database import database
from app.kernel.errors import ProblemError
from app.kernel.tokens import hash_token
from app.services.models import Client, Role, Service
from app.services.operations import NewRole, add_client, add_service, note_opened
from app.services.queries import roles_of
from app.vocabulary import EventName

pytestmark = pytest.mark.usefixtures("database")

MARKING = "Marking", "Mark scripts on a screen.", "https://marking.example.org"


def marking(*roles: str) -> Service:
    return add_service("marking", *MARKING, [NewRole(role, role.capitalize()) for role in roles])


def newest_event() -> Event:
    return Event.select().order_by(Event.revision.desc()).get()


def test_a_service_shows_its_roles_in_the_order_in_which_they_were_named() -> None:
    service = marking("examiner", "assistant", "checker")
    assert [role.slug for role in roles_of(service)] == ["marking:examiner", "marking:assistant", "marking:checker"]
    assert [role.position for role in roles_of(service)] == [0, 1, 2]
    event = newest_event()
    assert (event.name, event.by, event.subject) == (EventName.SERVICE_ADDED, "operator", "service:marking")
    assert event.details == {"roles": ["examiner", "assistant", "checker"]}


def test_a_service_is_added_once() -> None:
    marking("examiner")
    events = Event.select().count()
    with pytest.raises(ProblemError, match="a service marking already") as caught:
        marking("checker")
    assert caught.value.field == "slug"
    assert not Role.select().where(Role.slug == "marking:checker").exists()
    assert Event.select().count() == events


def test_a_role_that_comes_twice_adds_nothing() -> None:
    with pytest.raises(ProblemError, match="each of its roles once") as caught:
        marking("examiner", "examiner")
    assert caught.value.field == "role"
    assert not Service.select().exists()


def test_a_service_whose_role_cannot_be_kept_is_not_kept_either() -> None:
    Role.create(slug="marking:checker", name="Checker", sentence="", position=0)
    with pytest.raises(IntegrityError):
        marking("examiner", "checker")
    assert not Service.select().exists()


def test_a_key_opens_and_is_kept_nowhere() -> None:
    service = marking()
    client, key = add_client("Marking's server", service, ["service", "script"], by="person:sam-porter")
    assert key.startswith("tessera_")
    assert len(key) > 40
    assert (client.service, client.kinds) == (service, ["service", "script"])
    found = directory.client_with_key_hash(hash_token(key))
    assert found is not None
    assert (found.public_id, found.kinds) == (client.public_id, ("service", "script"))
    assert directory.client_with_key_hash(hash_token(key[:-1])) is None
    (row,) = Client.select().dicts()
    event = newest_event()
    assert (event.name, event.by, event.subject) == (EventName.CLIENT_ADDED, "person:sam-porter", client.reference)
    assert event.details == {"service": "marking", "kinds": ["service", "script"]}
    assert key not in f"{row} {event.details}"


def test_every_key_is_another() -> None:
    service = marking()
    assert add_client("One", service, [])[1] != add_client("Two", service, [])[1]


def test_a_kind_of_thing_belongs_to_one_service() -> None:
    service, other = marking(), add_service("quizzes", *MARKING, [])
    client, _key = add_client("One", service, ["service", "role", "script"])
    add_client("Two", service, ["script"])
    add_client("Three", other, ["service", "role", "quiz"])
    clients = Client.select().count()
    for _ in range(2):
        with pytest.raises(ProblemError, match=r"^The kind script belongs to the service marking\.$") as caught:
            add_client("Four", other, ["quiz", "script"])
        assert caught.value.field == "kind"
        # What was registered is still theirs.
        Client.update(ended_at=clock.now()).where(Client.id == client.id).execute()
    assert Client.select().count() == clients


def test_of_two_services_that_want_a_kind_at_once_one_gets_it() -> None:
    services = [add_service(f"marking-{number}", *MARKING, []) for number in range(4)]
    start = Barrier(len(services))

    def add(service: Service) -> bool:
        with database.connection_context():
            start.wait()
            try:
                add_client("Marking's server", service, ["script"])
            except ProblemError:
                return False
            return True

    with ThreadPoolExecutor(len(services)) as threads:
        assert sorted(threads.map(add, services)) == [False, False, False, True]
    assert Client.select().count() == 1


def test_who_was_let_through_from_where_is_written_down() -> None:
    note_opened(marking(), by="person:thomas-reed", organisation="northfield")
    event = newest_event()
    assert (event.name, event.by, event.subject, event.organisation) == (
        EventName.SERVICE_OPENED,
        "person:thomas-reed",
        "service:marking",
        "northfield",
    )
