"""A button pressed twice: browsers show the answer to the second press only, so that must not be a refusal."""

import pytest

from app.accounts.models import Person
from app.audit.models import Event
from app.vocabulary import EventName
from tests.browsing import Browser
from tests.manage.northfield import BEN, DANIEL, OLIVIA, THOMAS, USERS, NewBrowser, membership

YUSUF = f"{USERS}/yusuf-demir@northfield"
GONE = "Please note This person is not on your list of users any more."


def refusals() -> int:
    """Return how many refusals were written down."""
    return Event.select().where(Event.name == EventName.REFUSED).count()


@pytest.mark.parametrize(
    ("address", "what", "leads_to", "banner"),
    [
        (THOMAS, "suspend", THOMAS, "Please note Thomas Reed is suspended now."),
        (YUSUF, "reactivate", YUSUF, "Please note Yusuf Demir is not suspended any more."),
        (THOMAS, "remove", USERS, GONE),
        (BEN, "remove", USERS, GONE),
        (BEN, "cancel-invitation", USERS, GONE),
    ],
)
def test_what_is_done_twice_is_said_to_be_done_and_done_once(
    olivia: Browser, address: str, what: str, leads_to: str, banner: str
) -> None:
    token = {"csrf_token": olivia.token()}
    assert olivia.client.post(f"{address}/{what}", data=token).status_code == 303
    olivia.get("/account")
    events = Event.select().count()
    page = olivia.post(f"{address}/{what}")
    assert (page.status, page.address) == (200, leads_to)
    assert page.banners == [banner]
    assert Event.select().count() == events


def test_what_is_not_so_yet_or_lies_elsewhere_is_refused_as_ever(olivia: Browser) -> None:
    martin, iris = f"{USERS}/martin-shaw@northfield", f"{USERS}/iris-bell@northfield"
    assert olivia.post(f"{martin}/suspend").status == 404
    assert olivia.post(f"{martin}/reactivate").status == 404
    assert olivia.post(f"{iris}/cancel-invitation").status == 403
    assert olivia.get(f"{martin}/remove").status == 404
    for what in ("suspend", "reactivate", "remove", "cancel-invitation"):
        others = [
            olivia.post(f"/organisations/{organisation}/users/{member}/{what}").root.text
            for organisation, member in (
                ("northfield", "nobody"),
                ("northfield", "priya-nair@westbrook"),
                ("westbrook", "priya-nair@westbrook"),
                ("westbrook", "martin-shaw@northfield"),
                ("nowhere", "martin-shaw@northfield"),
            )
        ]
        assert len(set(others)) == 1
    assert refusals() == 24


def test_nobody_is_told_how_they_stand_themselves(olivia: Browser) -> None:
    page = olivia.post(f"{OLIVIA}/reactivate")
    assert page.status == 403
    assert "Nobody can change their own access." in page.text
    assert refusals() == 1


@pytest.mark.parametrize("person", ["thomas-reed", "amara-lewis", "sam-porter"])
def test_who_may_not_list_the_people_learns_nothing(browser: Browser, person: str) -> None:
    browser.signed_in_as(person)
    for path in (
        "martin-shaw@northfield/remove",
        "yusuf-demir@northfield/suspend",
        "daniel-okafor@northfield/reactivate",
    ):
        assert browser.post(f"{USERS}/{path}").status == 404


def test_an_officer_who_has_just_lost_the_role_is_refused_what_is_done_too(
    olivia: Browser, new_browser: NewBrowser
) -> None:
    daniel = new_browser().signed_in_as("daniel-okafor")
    daniel.post(f"{OLIVIA}/suspend")
    daniel.post(f"{THOMAS}/suspend")
    assert olivia.post(f"{THOMAS}/suspend").status == 404
    assert olivia.post(f"{DANIEL}/reactivate").status == 404


def test_the_name_that_somebody_took_after_leaving_is_not_told(olivia: Browser) -> None:
    olivia.post(f"{THOMAS}/remove")
    Person.update(name="Tessa Reed").where(Person.public_id == "thomas-reed").execute()
    page = olivia.post(f"{THOMAS}/remove")
    assert page.banners == [GONE]
    assert "Tessa" not in page.html
    assert membership("thomas-reed@northfield").state == "ended"
