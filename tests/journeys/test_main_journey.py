"""The main journey: a school is set up, adds its people, and lives by what it ticked."""

import json
from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys.portal import Portal, service
from tests.journeys.visitor import Visitor

Visit = Callable[[Portal], Visitor]

_PASSWORD = "seven quiet lanterns"
_MANAGEMENT = ("Tessera", "User management")


def test_a_school_is_set_up_and_lives_by_what_it_ticks(empty_portal: Portal, visit: Visit) -> None:
    with service() as launch_address:
        key = _operator_sets_up(empty_portal, launch_address)
        ada, carla, other = visit(empty_portal), visit(empty_portal), visit(empty_portal)

        ada.activates("ada@example.org", _PASSWORD)
        assert "Your account is active" in ada.text
        users = _officer_adds_two(ada)

        carla.activates("carla@example.org", _PASSWORD)
        _teacher_opens_what_is_ticked(carla, launch_address)

        _officer_cannot_change_their_own_roles(ada)
        _officer_of_another_school_finds_nothing(other, users, ada)

        person = _public_id(empty_portal, "carla@example.org")
        assert empty_portal.decides(key, person, "launch", "coursework") == (True, "allowed")
        _officer_takes_the_role_away(ada, users)
        assert empty_portal.decides(key, person, "launch", "coursework") == (False, "role_missing")
        carla.goes("/")
        assert carla.tiles == []

        _everything_was_recorded(empty_portal)


def _operator_sets_up(portal: Portal, launch_address: str) -> str:
    """Set the portal up as its operator does, and return the key of a service."""
    portal.tessera("migrate")
    for name, number, officer, address in (
        ("Hill School", "90110", "Ada Hill", "ada@example.org"),
        ("Lake College", "90111", "Olga Lake", "olga@example.org"),
    ):
        portal.tessera(
            *("organisation", "add", "--name", name, "--centre-number", number),
            *("--officer-name", officer, "--officer-email", address),
        )
    portal.tessera(
        *("service", "add", "--slug", "coursework", "--name", "Coursework", "--sentence", "Send in work."),
        *("--launch-address", launch_address, "--role", "teacher=Teacher: Sends in the work of their classes."),
    )
    portal.tessera(
        *("service", "add", "--slug", "results", "--name", "Results", "--sentence", "See results."),
        *("--launch-address", "https://results.example.org", "--role", "reader=Reader: Sees all results."),
    )
    key = portal.tessera(
        "client", "add", "--name", "Coursework web", "--service", "coursework", "--kind", "service", "--json"
    )["key"]
    portal.start()
    return str(key)


def _officer_adds_two(ada: Visitor) -> str:
    """Add a teacher and a second exams officer in one go, and return the address of the list of users."""
    page = ada.page
    ada.follows("Users")
    users = ada.path
    ada.follows("Add user(s)")
    ada.presses("Add another person")
    for number, name, address, roles in (
        (1, "Carla Bose", "carla@example.org", [("Coursework", "Teacher")]),
        (2, "Dan Field", "dan@example.org", [_MANAGEMENT, ("Results", "Reader")]),
    ):
        person = page.get_by_role("region", name=f"Person {number}")
        person.get_by_label("Name", exact=True).fill(name)
        person.get_by_label("E-mail address").fill(address)
        ada.ticks(person, roles)
    ada.presses("Continue")
    assert ada.heading == "Check before saving"
    for told in ("Carla Bose", "carla@example.org", "Coursework: Teacher", "dan@example.org", "Results: Reader"):
        assert told in ada.text
    assert not ada.portal.execute("select 1 from person where name = 'Carla Bose'")
    ada.presses("Save users")
    assert "Carla Bose and Dan Field have been added." in ada.text
    expect(page.get_by_role("row").filter(has_text="Carla Bose")).to_contain_text("Invited")
    return users


def _teacher_opens_what_is_ticked(carla: Visitor, launch_address: str) -> None:
    assert carla.tiles == ["Coursework"]
    carla.follows("Coursework")
    assert carla.page.url == launch_address
    assert carla.heading == "The service itself"

    carla.goes("/")
    carla.follows("Why is this closed? Results")
    assert carla.heading == "You cannot open Results"
    assert "You have not been given this service at Hill School" in carla.text
    # Dan is an exams officer too, but has not activated his account: nobody is sent to him.
    assert carla.page.locator(".officers").inner_text() == "Ada Hill, ada@example.org"
    assert "Reader: Sees all results." in carla.text


def _officer_cannot_change_their_own_roles(ada: Visitor) -> None:
    ada.goes("/")
    ada.follows("Users")
    ada.follows("View Ada Hill")
    assert "You cannot change your own roles." in ada.text
    expect(ada.page.get_by_role("checkbox")).to_have_count(0)

    held = ada.portal.execute('select count(*) from "grant"')
    status, text = ada.posts(ada.path, role="results:reader")
    assert status == 403
    assert "Nobody can change their own access." in text
    status, _text = ada.posts(ada.path, shown="portal:user-management")
    assert status == 403
    assert ada.portal.execute('select count(*) from "grant"') == held


def _officer_of_another_school_finds_nothing(other: Visitor, users: str, ada: Visitor) -> None:
    ada.follows("Users")
    ada.follows("View Carla Bose")
    carla = ada.path
    other.activates("olga@example.org", _PASSWORD)
    other.follows("Users")
    own_users = other.path
    assert "Carla" not in other.text
    for path in (users, carla, f"{carla}/remove", carla.replace(users, own_users)):
        assert other.goes(path) == 404
        assert "Carla" not in other.text
    for path in (carla, f"{carla}/suspend", f"{carla}/remove", carla.replace(users, own_users)):
        assert other.posts(path, role="results:reader")[0] == 404


def _officer_takes_the_role_away(ada: Visitor, users: str) -> None:
    ada.goes(users)
    ada.follows("View Carla Bose")
    box = ada.box(ada.page.locator("main"), "Coursework", "Teacher")
    expect(box).to_be_checked()
    box.uncheck()
    ada.page.get_by_label("Reason (optional)").fill("Teaches something else now")
    ada.presses("Save changes")
    assert "The changes for Carla Bose have been saved." in ada.text


def _everything_was_recorded(portal: Portal) -> None:
    ada, carla, dan, olga = (
        f"person:{_public_id(portal, f'{name}@example.org')}" for name in ("ada", "carla", "dan", "olga")
    )
    events = [
        (name, by, subject.partition(":")[2], json.loads(details))
        for name, by, subject, details in portal.execute(
            "select name, by, subject, cast(details as text) from event order by revision"
        )
    ]
    done = {(name, by) for name, by, _subject, _details in events}
    for step in (
        *(("organisation_added", "operator"), ("service_added", "operator"), ("client_added", "operator")),
        *(("person_activated", ada), ("signed_in", ada), ("member_added", ada), ("invitation_sent", ada)),
        *(("person_activated", carla), ("signed_in", carla), ("service_opened", carla)),
        *(
            ("refused", ada),
            ("refused", carla),
            ("refused", olga),
            ("person_activated", olga),
            ("roles_changed", ada),
            ("mail_sent", "mail worker"),
        ),
    ):
        assert step in done, f"{step} is not among {sorted(done)}"
    reasons = [details.get("reason") for name, _by, _subject, details in events if name == "roles_changed"]
    assert reasons[-1] == "Teaches something else now"
    assert not [name for name, by, _subject, _details in events if by == dan]

    answers = [portal.tessera("decision", number, "--json") for number in portal.answered]
    assert [(answer["subject"], answer["action"], answer["resource"]) for answer in answers] == [
        (carla, "launch", "service:coursework")
    ] * 2
    assert [(answer["allowed"], answer["reason"]) for answer in answers] == [(True, "allowed"), (False, "role_missing")]
    assert all(answer["steps"] for answer in answers)


def _public_id(portal: Portal, address: str) -> str:
    [(public_id,)] = portal.execute(
        "select person.public_id from person join email_address on email_address.person_id = person.id"
        " where email_address.address = ?",
        address,
    )
    return str(public_id)
