"""The tiles, and the doors behind them: exactly what may be opened now, here, by this person."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from app.audit.models import Event
from app.config import Settings
from app.kernel.clock import in_words
from app.memberships.models import Grant, Membership
from app.memberships.operations import RoleGiven, change_roles
from app.organisations.models import Organisation
from app.services.models import Role, Service
from app.vocabulary import EventName, OrganisationState
from tests.browsing import Browser
from tests.running import change_settings

pytestmark = pytest.mark.one_database

NewBrowser = Callable[[], Browser]

LIVE = {
    "Access to scripts",
    "Digital question papers",
    "Exam entries",
    "PE submissions",
    "Progress tracker",
    "Submit for assessment",
    "Teaching resources",
    "Training",
}

TILES = {
    "olivia-marsh": LIVE - {"Training"},
    "daniel-okafor": {"Digital question papers", "Submit for assessment"},
    "thomas-reed": {"Submit for assessment", "Teaching resources", "Training"},
    "yusuf-demir": set(),
    "iris-bell": {"Training"},
    "owen-price": set(),
    "priya-nair": {"Access to scripts", "Submit for assessment"},
    "leila-haddad": set(),
    "frank-doyle": set(),
    "helen-frost": set(),
    "sam-porter": set(),
    "nina-costa": set(),
    "victor-lind": set(),
    "ruth-adeyemi": set(),
}


@pytest.mark.parametrize("person", TILES)
def test_exactly_the_services_that_open_have_a_tile_and_all_other_live_ones_say_why_not(
    browser: Browser, person: str
) -> None:
    page = browser.signed_in_as(person).get("/")
    assert page.tiles == sorted(TILES[person])
    closed = {item.all("strong")[0].text for one in page.with_class("others") for item in one.all("li")}
    assert closed == LIVE - TILES[person]


def test_every_tile_opens_and_everything_else_does_not(browser: Browser) -> None:
    for person in ("olivia-marsh", "thomas-reed", "iris-bell", "leila-haddad", "sam-porter"):
        browser.signed_in_as(person)
        for service in Service.select():
            answer = browser.client.get(f"/open/{service.slug}")
            if service.name in TILES[person]:
                assert (answer.status_code, answer.location) == (302, service.launch_address)
            else:
                assert answer.status_code == (403 if service.name in LIVE else 404)


@pytest.mark.parametrize("slug", ["online-moderation", "results-by-post", "nothing", "Training", "%00", "a/b"])
def test_a_hidden_or_retired_service_does_not_exist_even_for_who_has_its_role(browser: Browser, slug: str) -> None:
    for person in ("olivia-marsh", "thomas-reed"):
        page = browser.signed_in_as(person).get(f"/open/{slug}")
        assert page.status == (400 if slug == "%00" else 404)


class TestAClosedDoor:
    NORTHFIELD = ("Daniel Okafor, daniel.okafor@example.org", "Olivia Marsh, olivia.marsh@example.org")

    @pytest.mark.parametrize(
        ("person", "slug", "sentence", "officers"),
        [
            (
                "thomas-reed",
                "access-to-scripts",
                "You have not been given this service at Northfield Academy.",
                NORTHFIELD,
            ),
            (
                "iris-bell",
                "submit-for-assessment",
                "Your access to this service ended on ",
                NORTHFIELD,
            ),
            (
                "owen-price",
                "teaching-resources",
                "You have been given access to this service from ",
                NORTHFIELD,
            ),
            (
                "olivia-marsh",
                "training",
                "You have not been given this service at Northfield Academy.",
                NORTHFIELD[:1],
            ),
            (
                "priya-nair",
                "training",
                "You have not been given this service at Westbrook College.",
                ("Amara Lewis, amara.lewis@example.org",),
            ),
            (
                "yusuf-demir",
                "submit-for-assessment",
                "Your access at Northfield Academy is suspended at the moment.",
                ("Daniel Okafor, daniel.okafor@example.org", "Olivia Marsh, olivia.marsh@example.org"),
            ),
            (
                "leila-haddad",
                "submit-for-assessment",
                "Eastgate School is not open in Tessera at the moment, so nobody there can open services.",
                (),
            ),
            (
                "frank-doyle",
                "teaching-resources",
                "Southmere High School is not open in Tessera at the moment, so nobody there can open services.",
                (),
            ),
            (
                "helen-frost",
                "training",
                "Your account does not belong to a school or college here. An exams officer has to add you first.",
                (),
            ),
        ],
    )
    def test_a_closed_door_says_why_and_who_can_open_it(
        self, browser: Browser, person: str, slug: str, sentence: str, officers: tuple[str, ...]
    ) -> None:
        page = browser.signed_in_as(person).get(f"/open/{slug}")
        assert page.status == 403
        assert sentence in page.text
        listed = [item.text for one in page.with_class("officers") for item in one.all("li")]
        assert listed == list(officers)
        if not officers:
            assert "Our support desk can tell you more" in page.text

    def test_it_says_what_to_ask_for_but_not_what_officers_cannot_give(self, browser: Browser) -> None:
        page = browser.signed_in_as("thomas-reed").get("/open/exam-entries")
        assert "User: Makes entries and sees results." in page.text
        assert "Late entries" not in page.text

    def test_an_officer_without_a_second_one_is_told_what_to_do(self, browser: Browser) -> None:
        Grant.delete().where(
            Grant.membership == Membership.get(Membership.public_id == "amara-lewis@westbrook")
        ).execute()
        page = browser.signed_in_as("priya-nair").get("/open/training")
        assert "Westbrook College has no second exams officer. You can add one" in page.text
        assert page.links["You can add one"] == "/organisations/westbrook/users/add"

    def test_who_only_was_or_will_be_an_officer_is_not_named(self, browser: Browser) -> None:
        text = browser.signed_in_as("thomas-reed").get("/open/access-to-scripts").text
        for name in ("Iris", "Owen", "Grace", "Yusuf", "Ben", "Priya"):
            assert name not in text


class TestSeveralOrganisations:
    def test_who_has_two_must_choose_before_anything_opens(self, browser: Browser) -> None:
        page = browser.signed_in_as("amara-lewis").get("/")
        assert page.heading == "Which organisation are you working for?"
        assert browser.get("/open/teaching-resources").heading == "Which organisation are you working for?"

    def test_who_has_one_is_promised_no_other(self, browser: Browser) -> None:
        page = browser.signed_in_as("thomas-reed").get("/choose-organisation")
        assert "You belong to 1 organisation." in page.text
        assert "You can change this at any time" not in page.text
        page = browser.signed_in_as("amara-lewis").get("/choose-organisation")
        assert "You belong to 2 organisations. You can change this at any time" in page.text

    def test_only_the_tiles_of_the_chosen_place_are_there(self, browser: Browser) -> None:
        browser.signed_in_as("amara-lewis").get("/")
        page = browser.press("Continue", {"organisation": "northfield"})
        assert page.tiles == ["PE submissions", "Submit for assessment"]
        assert "Users" not in page.menu
        browser.follow("Change organisation")
        assert browser.page.ticked("organisation") == {"northfield"}
        page = browser.press("Continue", {"organisation": "westbrook"})
        assert page.tiles == ["Teaching resources"]
        assert "Users" in page.menu
        assert "Westbrook College" in page.html
        assert browser.get("/open/pe-submissions").status == 403

    def test_choosing_leads_on_to_the_service(self, browser: Browser) -> None:
        browser.signed_in_as("amara-lewis").get("/open/teaching-resources")
        page = browser.press("Continue", {"organisation": "westbrook"})
        assert page.address == "/demo-service/teaching-resources"

    @pytest.mark.parametrize("choice", ["eastgate", "southmere", "nowhere", ""])
    def test_nobody_chooses_a_place_that_is_not_theirs(self, browser: Browser, choice: str) -> None:
        browser.signed_in_as("amara-lewis")
        page = browser.post("/choose-organisation", {"organisation": choice})
        assert page.status == 422
        assert page.problems == ["Choose one of your organisations."]
        assert browser.get("/").heading == "Which organisation are you working for?"

    @pytest.mark.parametrize("wanted", ["https://evil.example/open/", "//evil.example/open/x", "/open/\r\nX: y", "//["])
    def test_the_choice_never_leads_out_of_the_portal(self, browser: Browser, wanted: str) -> None:
        answer = browser.signed_in_as("amara-lewis").client.post(
            "/choose-organisation",
            query_string={"next": wanted},
            data={"organisation": "westbrook", "csrf_token": browser.token()},
        )
        assert (answer.status_code, answer.location) == (303, "/")

    def test_a_place_that_is_closed_is_no_choice_any_more(self, browser: Browser) -> None:
        browser.signed_in_as("amara-lewis").get("/")
        browser.press("Continue", {"organisation": "westbrook"})
        Organisation.update(state=OrganisationState.SUSPENDED).where(Organisation.public_id == "westbrook").execute()
        page = browser.get("/")
        assert page.tiles == ["PE submissions", "Submit for assessment"]
        assert "Change organisation" not in page.menu

    def test_a_choice_does_not_outlive_signing_out(self, browser: Browser) -> None:
        browser.sign_in("amara-lewis")
        browser.press("Continue", {"organisation": "westbrook"})
        browser.press("Sign out")
        page = browser.sign_in("amara-lewis")
        assert page.heading == "Which organisation are you working for?"


class TestFreshness:
    @staticmethod
    def given(role: str, first: date | None = None, last: date | None = None, *, to: str = "thomas-reed") -> None:
        """Give a person of Northfield a role."""
        change_roles(
            Membership.get(Membership.public_id == f"{to}@northfield"),
            give=[RoleGiven(Role.get(Role.slug == role), first, last)],
            take=[],
            by=None,
        )

    def test_a_role_counts_from_the_next_click_and_so_does_its_loss(self, browser: Browser) -> None:
        browser.signed_in_as("thomas-reed")
        assert "Exam entries" not in browser.get("/").tiles
        self.given("exam-entries:user")
        assert "Exam entries" in browser.get("/").tiles
        assert browser.client.get("/open/exam-entries").status_code == 302
        Grant.delete().where(Grant.role == Role.get(Role.slug == "exam-entries:user")).execute()
        assert browser.client.get("/open/exam-entries").status_code == 403

    @pytest.mark.parametrize(
        ("last_day", "last_moment"),
        [
            # In winter London's midnight is that of UTC; in summer it is an hour earlier.
            (date(2027, 1, 15), datetime(2027, 1, 15, 23, 59, 59, tzinfo=UTC)),
            (date(2027, 7, 15), datetime(2027, 7, 15, 22, 59, 59, tzinfo=UTC)),
            # The days on which the clocks change.
            (date(2027, 3, 28), datetime(2027, 3, 28, 22, 59, 59, tzinfo=UTC)),
            (date(2027, 10, 31), datetime(2027, 10, 31, 23, 59, 59, tzinfo=UTC)),
        ],
    )
    def test_a_role_opens_its_door_until_the_end_of_its_last_day_in_london(
        self, browser: Browser, last_day: date, last_moment: datetime
    ) -> None:
        with time_machine.travel(last_moment, tick=False) as traveller:
            self.given("exam-entries:user", last=last_day)
            browser.signed_in_as("thomas-reed")
            assert browser.client.get("/open/exam-entries").status_code == 302
            traveller.shift(timedelta(seconds=1))
            page = browser.get("/open/exam-entries")
            assert page.status == 403
            assert f"Your access to this service ended on {in_words(last_day)}." in page.text
            assert page.heading == "You cannot open Exam entries"

    def test_of_several_days_the_last_that_ended_and_the_first_that_comes_are_named(self, browser: Browser) -> None:
        with time_machine.travel(datetime(2027, 7, 14, 12, tzinfo=UTC), tick=False):
            browser.signed_in_as("owen-price")
            Grant.delete().where(
                Grant.membership == Membership.get(Membership.public_id == "owen-price@northfield")
            ).execute()

            def given(role: str, first: date | None = None, last: date | None = None) -> None:
                self.given(role, first, last, to="owen-price")

            given("submit-for-assessment:exams-officer", last=date(2027, 6, 1))
            given("submit-for-assessment:teacher", last=date(2027, 7, 1))
            given("training:user", last=date(2027, 7, 13))
            assert "ended on 1 July 2027." in browser.get("/open/submit-for-assessment").text
            Grant.update(first_day=date(2027, 8, 2), last_day=None).where(
                Grant.role == Role.get(Role.slug == "submit-for-assessment:teacher")
            ).execute()
            given("submit-for-assessment:exams-officer", first=date(2027, 8, 1))
            given("training:user", first=date(2027, 7, 15))
            assert "access to this service from 1 August 2027." in browser.get("/open/submit-for-assessment").text

    def test_a_role_opens_its_door_from_the_beginning_of_its_first_day_in_london(self, browser: Browser) -> None:
        with time_machine.travel(datetime(2027, 7, 14, 22, 59, 59, tzinfo=UTC), tick=False) as traveller:
            self.given("exam-entries:user", first=date(2027, 7, 15))
            browser.signed_in_as("thomas-reed")
            page = browser.get("/open/exam-entries")
            assert "You have been given access to this service from 15 July 2027." in page.text
            assert page.heading == "You cannot open Exam entries yet"
            traveller.shift(timedelta(seconds=1))
            assert browser.client.get("/open/exam-entries").status_code == 302


class TestTheDirectDoor:
    def test_who_is_signed_out_signs_in_and_goes_on_to_the_service(self, browser: Browser) -> None:
        page = browser.sign_in("olivia-marsh", path="/open/submit-for-assessment")
        assert page.address == "/demo-service/submit-for-assessment"

    def test_who_is_signed_out_and_may_not_is_told_after_signing_in(self, browser: Browser) -> None:
        page = browser.sign_in("thomas-reed", path="/open/exam-entries")
        assert page.status == 403
        assert page.heading == "You cannot open Exam entries"

    def test_who_has_two_places_chooses_on_the_way(self, browser: Browser) -> None:
        browser.sign_in("amara-lewis", path="/open/submit-for-assessment")
        page = browser.press("Continue", {"organisation": "northfield"})
        assert page.address == "/demo-service/submit-for-assessment"

    def test_a_stranger_does_not_learn_which_services_there_are(self, browser: Browser) -> None:
        for slug in ("submit-for-assessment", "online-moderation", "nothing"):
            assert browser.get(f"/open/{slug}").heading == "Sign in"

    def test_every_opening_is_recorded_with_the_place(self, browser: Browser) -> None:
        browser.signed_in_as("olivia-marsh").get("/open/submit-for-assessment")
        browser.get("/open/training")
        (event,) = Event.select().where(Event.name == EventName.SERVICE_OPENED)
        assert (event.by, event.subject, event.organisation) == (
            "person:olivia-marsh",
            "service:submit-for-assessment",
            "northfield",
        )


class TestTheMenu:
    @pytest.mark.parametrize(
        ("person", "menu"),
        [
            ("olivia-marsh", ["Home", "Account", "Users"]),
            ("thomas-reed", ["Home", "Account"]),
            ("iris-bell", ["Home", "Account"]),
            ("owen-price", ["Home", "Account"]),
            ("yusuf-demir", ["Home", "Account"]),
            ("leila-haddad", ["Home", "Account"]),
            ("helen-frost", ["Home", "Account"]),
            ("amara-lewis", ["Home", "Account", "Change organisation"]),
            ("sam-porter", ["Home", "Account", "Organisations", "Decisions"]),
            ("ruth-adeyemi", ["Home", "Account", "Organisations", "Decisions"]),
            ("nina-costa", ["Home", "Account"]),
        ],
    )
    def test_the_menu_holds_what_the_person_may_reach(self, browser: Browser, person: str, menu: list[str]) -> None:
        assert browser.signed_in_as(person).get("/").menu == menu

    def test_the_menu_says_where_one_is(self, browser: Browser) -> None:
        browser.signed_in_as("olivia-marsh")
        for path, entry in (
            ("/", "Home"),
            ("/account", "Account"),
            ("/organisations/northfield/users", "Users"),
            ("/organisations/northfield/users/add", "Users"),
            ("/organisations/northfield/users/thomas-reed@northfield", "Users"),
        ):
            links = browser.get(path).root.all("a")
            assert [link.text for link in links if link["aria-current"] == "page"] == [entry]


class TestOutsideDevelopment:
    def test_the_pages_of_development_are_not_there(self, browser: Browser, settings: Settings) -> None:
        browser.signed_in_as("olivia-marsh")
        assert browser.get("/demo-service/training").status == 200
        change_settings(development=False)
        for path in ("/outbox", "/outbox/x", "/demo-service/training"):
            assert browser.get(path).status == 404


@pytest.mark.parametrize(
    ("person", "sentences"),
    [
        ("owen-price", ["No service opens for you at Northfield Academy at the moment. Choose one below to see why"]),
        ("yusuf-demir", ["Your access at Northfield Academy is suspended at the moment. An exams officer there can"]),
        ("leila-haddad", ["Eastgate School is not open in Tessera at the moment, so nobody there can open services."]),
        ("frank-doyle", ["Southmere High School is not open in Tessera at the moment, so nobody there can open"]),
        ("helen-frost", ["What to do next", "Ask them to add you as a user", "Reload this page."]),
        ("sam-porter", ["You are on our staff", "Your work is under Organisations."]),
        ("ruth-adeyemi", ["You are on our staff", "Your work is under Organisations."]),
        ("nina-costa", ["You are on our staff", "If your work has pages here, they are in the menu."]),
        ("victor-lind", ["You are on our staff", "If your work has pages here, they are in the menu."]),
    ],
)
def test_where_nothing_opens_home_says_what_is_so(browser: Browser, person: str, sentences: list[str]) -> None:
    page = browser.signed_in_as(person).get("/")
    for sentence in sentences:
        assert sentence in page.text
    assert ("Ask them to add you" in page.text) == (person == "helen-frost")
    assert ("Your work is under" in page.text) == ("Organisations" in page.menu)
    assert ("If your work has pages here" in page.text) == (person in {"nina-costa", "victor-lind"})


@pytest.mark.parametrize("person", ["sam-porter", "ruth-adeyemi", "nina-costa", "victor-lind"])
@pytest.mark.parametrize("path", ["/", "/account", "/open/training", "/open/training/why"])
def test_staff_are_never_sent_to_an_exams_officer_nor_to_themselves(browser: Browser, person: str, path: str) -> None:
    page = browser.signed_in_as(person).get(path)
    assert "You are on our staff" in page.text
    assert "Services open for people at a school or college only" in page.text
    assert "support desk can tell you" not in page.text
    [foot] = page.root.all("footer")
    for words in ("your exams officer", "exams officer has to add you", "added to the users"):
        assert words not in page.text
    assert "Missing your school or college" not in foot.text
    assert "Your exams officer" not in foot.text


def test_home_tells_an_officer_without_services_that_somebody_else_has_to_give_them(browser: Browser) -> None:
    Grant.delete().where(
        Grant.membership == Membership.get(Membership.public_id == "olivia-marsh@northfield"),
        Grant.role != Role.get(Role.slug == "portal:user-management"),
    ).execute()
    page = browser.signed_in_as("olivia-marsh").get("/")
    assert "This exams officer of Northfield Academy can change yours:" in page.text
    assert [item.text for one in page.with_class("officers") for item in one.all("li")] == [
        "Daniel Okafor, daniel.okafor@example.org"
    ]
    Grant.delete().where(
        Grant.membership == Membership.get(Membership.public_id == "daniel-okafor@northfield")
    ).execute()
    page = browser.get("/")
    assert "Northfield Academy has no second exams officer. You can add one." in page.text
    assert page.links["You can add one"] == "/organisations/northfield/users/add"


def test_a_closed_door_leaves_a_trace_of_who_and_why(browser: Browser) -> None:
    browser.signed_in_as("thomas-reed").get("/open/exam-entries")
    refused = Event.select().where(Event.name == EventName.REFUSED).get()
    assert (refused.by, refused.subject, refused.organisation, refused.details) == (
        "person:thomas-reed",
        "service:exam-entries",
        "northfield",
        {"action": "launch", "reason": "role_missing"},
    )


def test_a_closed_door_says_that_the_other_organisation_opens_it(browser: Browser) -> None:
    browser.signed_in_as("amara-lewis").get("/")
    browser.press("Continue", {"organisation": "westbrook"})
    assert "It opens when you work for Northfield Academy." in browser.get("/open/submit-for-assessment").text
    assert "It opens when" not in browser.get("/open/training").text
