"""Ticking roles: what is saved, what is not, and what a form that is out of date does."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine

from app.accounts.models import Person
from app.audit.models import Event
from app.memberships.models import Grant
from app.memberships.operations import RoleGiven, change_roles
from app.services.models import Role
from app.vocabulary import EventName, PersonState
from tests.browsing import Browser
from tests.manage.northfield import (
    BEN,
    DANIEL,
    EARLY,
    LATE,
    OFFICER,
    THOMAS,
    USERS,
    NewBrowser,
    held,
    membership,
    offered_roles,
    roles_of,
    shown,
    ticked_roles,
    ticks,
)

TEACHER = {"teaching-resources:teacher", "submit-for-assessment:teacher", "training:user"}
"""What Thomas has that officers may give; he also has a role of a service that is no longer offered."""
RETIRED = "results-by-post:user"


def grant(slug: str, public_id: str = "thomas-reed@northfield") -> Grant:
    """Return a grant as it is stored now."""
    return Grant.get(Grant.membership == membership(public_id), Grant.role == Role.get(Role.slug == slug))


def changes() -> list[dict[str, Any]]:
    """Return what was recorded about roles, in its order."""
    return [
        event.details for event in Event.select().where(Event.name == EventName.ROLES_CHANGED).order_by(Event.revision)
    ]


def test_the_page_shows_what_is_held_and_offers_what_the_officer_may_give(olivia: Browser) -> None:
    page = olivia.get(THOMAS)
    assert ticked_roles(page) == TEACHER | {RETIRED}
    not_open = {role.slug for role in Role.select() if role.service and role.service.state != "live"}
    assert len(not_open) > 1
    assert offered_roles(page) == {role.slug for role in Role.select()} - {EARLY, LATE} - not_open | {RETIRED}
    assert page.buttons == ["Save changes"]
    assert {"Suspend", "Remove"} <= set(page.links)


def test_what_is_ticked_is_given_and_what_is_unticked_is_taken(olivia: Browser, new_browser: NewBrowser) -> None:
    olivia.get(THOMAS)
    page = olivia.press(
        "Save changes",
        {
            **ticks(olivia.page, TEACHER - {"training:user"} | {RETIRED, "exam-entries:user"}),
            "reason": " Covers   for Iris ",
        },
    )
    assert page.banners == ["Done The changes for Thomas Reed have been saved."]
    assert roles_of("thomas-reed@northfield") == TEACHER - {"training:user"} | {RETIRED, "exam-entries:user"}
    assert (grant("exam-entries:user").given_by.name, grant("exam-entries:user").reason) == (
        "Olivia Marsh",
        "Covers for Iris",
    )
    assert changes() == [
        {"given": ["exam-entries:user"], "taken": ["training:user"], "days": {}, "reason": "Covers for Iris"}
    ]
    tiles = new_browser().signed_in_as("thomas-reed").get("/").tiles
    assert tiles == ["Exam entries", "Submit for assessment", "Teaching resources"]


def test_a_reason_holds_nothing_that_nobody_sees(olivia: Browser) -> None:
    olivia.get(THOMAS)
    olivia.press(
        "Save changes", {**ticks(olivia.page, ["exam-entries:user"]), "reason": "\u202efor Iris\u200b می\u200cرود"}
    )
    assert grant("exam-entries:user").reason == "for Iris می\u200cرود"


def test_the_answer_says_which_revision_knows_of_the_change(olivia: Browser) -> None:
    olivia.get(THOMAS)
    form = {"csrf_token": olivia.token(), **held("exam-entries:user")}
    answer = olivia.client.post(THOMAS, data=form)
    assert answer.status_code == 303
    newest = Event.select().where(Event.name == EventName.ROLES_CHANGED).order_by(Event.revision.desc()).get()
    assert int(answer.headers["Tessera-Revision"]) == newest.revision
    assert "Tessera-Revision" not in olivia.client.get(THOMAS).headers


def test_saving_without_a_difference_changes_and_records_nothing(olivia: Browser) -> None:
    olivia.get(THOMAS)
    assert olivia.press("Save changes").banners == ["Please note Nothing was different, so nothing was changed."]
    assert changes() == []


def test_days_are_given_kept_and_taken_off(olivia: Browser) -> None:
    olivia.get(THOMAS)
    olivia.press("Save changes", {"training:user-first_day": "2027-01-01", "training:user-last_day": "2027-01-31"})
    assert (grant("training:user").first_day, grant("training:user").last_day) == (date(2027, 1, 1), date(2027, 1, 31))
    assert olivia.press("Save changes").banners == ["Please note Nothing was different, so nothing was changed."]
    olivia.press("Save changes", {"training:user-first_day": "", "training:user-last_day": ""})
    assert (grant("training:user").first_day, grant("training:user").last_day) == (None, None)
    assert [change["given"] for change in changes()] == [["training:user"], ["training:user"]]


def test_a_role_whose_last_day_is_over_is_saved_with_a_warning(olivia: Browser) -> None:
    olivia.get(THOMAS)
    saved = "Done The changes for Thomas Reed have been saved."
    page = olivia.press(
        "Save changes", {"training:user-first_day": "2020-01-01", "training:user-last_day": "2020-01-31"}
    )
    assert page.banners == [saved, "Please note The last day of Training: User is over, so it opens nothing."]
    assert grant("training:user").last_day == date(2020, 1, 31)
    # Only what has just been given is warned of.
    assert olivia.press("Save changes", {"submit-for-assessment:teacher-last_day": "2190-01-31"}).banners == [saved]
    with time_machine.travel(datetime(2027, 7, 14, 23, 30, tzinfo=UTC), tick=False):
        # In London it is the 15th already.
        olivia.signed_in_as("olivia-marsh").get(THOMAS)
        for day, banners in (("2027-07-15", 1), ("2027-07-14", 2)):
            assert len(olivia.press("Save changes", {"training:user-last_day": day}).banners) == banners


def test_a_tick_whose_last_day_is_over_says_so(olivia: Browser) -> None:
    page = olivia.get(f"{USERS}/iris-bell@northfield")
    ended = [one["id"].removeprefix("ended-") for one in page.with_class("days") if one.text == "ended"]
    assert set(ended) == {OFFICER, "submit-for-assessment:exams-officer"}
    assert "training:user" in ticked_roles(page)


@pytest.mark.parametrize("state", [PersonState.SUSPENDED, PersonState.CLOSED])
def test_an_account_that_is_not_open_is_for_the_support_desk(olivia: Browser, state: PersonState) -> None:
    told = "Only our support desk can change this: telephone and e-mail are below."
    assert told not in olivia.get(THOMAS).text
    Person.update(state=state).where(Person.public_id == "thomas-reed").execute()
    assert f"Account {state} {told}" in olivia.get(THOMAS).text


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        ("2027-02-01", "2027-01-31", "The last day for Training: User must not be before its first day."),
        ("2027-02-30", "", "Enter the dates for Training: User as year-month-day, such as 2027-01-31."),
        ("", "tomorrow", "Enter the dates for Training: User as year-month-day, such as 2027-01-31."),
        ("", "9999-12-31", "The dates for Training: User must be between 2000 and 2199."),
        ("0001-01-01", "", "The dates for Training: User must be between 2000 and 2199."),
    ],
)
def test_days_that_make_no_sense_are_refused_and_what_was_typed_comes_back(
    olivia: Browser, first: str, last: str, problem: str
) -> None:
    olivia.get(THOMAS)
    page = olivia.press(
        "Save changes",
        {
            **ticks(olivia.page, {"training:user", "exam-entries:user"}),
            "training:user-first_day": first,
            "training:user-last_day": last,
            "reason": "For a while",
        },
    )
    assert page.status == 422
    assert page.problems == [problem]
    assert ticked_roles(page) == {"training:user", "exam-entries:user"}
    assert (page.value("training:user-first_day"), page.value("training:user-last_day")) == (first, last)
    assert page.value("reason") == "For a while"
    assert roles_of("thomas-reed@northfield") == TEACHER | {RETIRED}
    olivia.press("Save changes", {"training:user-first_day": "", "training:user-last_day": ""})
    assert roles_of("thomas-reed@northfield") == {"training:user", "exam-entries:user"}


def test_days_without_a_tick_are_not_dropped_in_silence(olivia: Browser) -> None:
    olivia.get(THOMAS)
    page = olivia.press("Save changes", {"exam-entries:user-last_day": "2027-01-31"})
    assert (page.status, page.problems) == (422, ["Tick Exam entries: User as well, or clear its dates."])
    assert page.value("exam-entries:user-last_day") == "2027-01-31"
    olivia.press("Save changes", ticks(olivia.page, TEACHER | {RETIRED, "exam-entries:user"}))
    assert grant("exam-entries:user").last_day == date(2027, 1, 31)


def test_a_role_with_days_is_taken_by_its_tick_alone(olivia: Browser) -> None:
    olivia.get(THOMAS)
    olivia.press("Save changes", {"training:user-last_day": "2027-01-31"})
    olivia.press("Save changes", ticks(olivia.page, TEACHER - {"training:user"} | {RETIRED}))
    assert roles_of("thomas-reed@northfield") == TEACHER - {"training:user"} | {RETIRED}


class TestRolesThatAreNotTheOfficersToGive:
    @pytest.mark.parametrize("slug", [EARLY, LATE])
    def test_a_hand_made_form_does_not_give_them(self, olivia: Browser, slug: str) -> None:
        olivia.post(THOMAS, {**held(slug, "exam-entries:user"), f"{slug}-last_day": "2027-01-31"})
        assert roles_of("thomas-reed@northfield") == TEACHER | {RETIRED, "exam-entries:user"}

    def test_a_hand_made_form_does_not_take_them(self, olivia: Browser) -> None:
        assert EARLY not in ticked_roles(olivia.get(DANIEL))
        assert "Digital question papers: Early release" in olivia.page.text
        olivia.post(DANIEL, shown(EARLY) | shown("submit-for-assessment:exams-officer"))
        assert roles_of("daniel-okafor@northfield") == {OFFICER, EARLY}

    @pytest.mark.parametrize("slug", ["nothing:at-all", "", "training:user'--", "x" * 500])
    def test_a_role_that_does_not_exist_is_not_given(self, olivia: Browser, slug: str) -> None:
        page = olivia.post(THOMAS, held(slug))
        assert page.status == 200
        assert roles_of("thomas-reed@northfield") == TEACHER | {RETIRED}

    @pytest.mark.parametrize(
        "form",
        [
            {"training:user-shown_first_day": ""},
            {"training:user-shown": "false"},
            shown("training:user", "soon"),
            shown("training:user", "", "2027-02-30"),
            shown("x" * 500),
            shown(""),
        ],
    )
    def test_nonsense_about_what_was_shown_takes_nothing(self, olivia: Browser, form: dict[str, str]) -> None:
        olivia.post(THOMAS, form)
        assert roles_of("thomas-reed@northfield") == TEACHER | {RETIRED}


class TestAPageThatIsOutOfDate:
    @pytest.fixture
    def meanwhile(self, olivia: Browser) -> Callable[..., None]:
        """Something that a colleague does to Thomas while his page is open in Olivia's browser."""
        olivia.get(THOMAS)
        return lambda give=(), take=(): change_roles(
            membership("thomas-reed@northfield"),
            give=[RoleGiven(Role.get(Role.slug == slug), *days) for slug, *days in give],
            take=[Role.get(Role.slug == slug) for slug in take],
            by=None,
        )

    def test_it_does_not_give_back_what_a_colleague_took(self, olivia: Browser, meanwhile: Callable[..., None]) -> None:
        meanwhile(take=["training:user"])
        olivia.press("Save changes", ticks(olivia.page, TEACHER | {RETIRED, "exam-entries:user"}))
        assert roles_of("thomas-reed@northfield") == TEACHER - {"training:user"} | {RETIRED, "exam-entries:user"}

    def test_it_does_not_take_what_a_colleague_gave(self, olivia: Browser, meanwhile: Callable[..., None]) -> None:
        meanwhile(give=[("exam-entries:user",)])
        olivia.press("Save changes", ticks(olivia.page, TEACHER - {"training:user"} | {RETIRED}))
        assert roles_of("thomas-reed@northfield") == TEACHER - {"training:user"} | {RETIRED, "exam-entries:user"}

    def test_it_does_not_bring_back_days_that_a_colleague_changed(
        self, olivia: Browser, meanwhile: Callable[..., None]
    ) -> None:
        meanwhile(give=[("training:user", None, date(2027, 1, 31))])
        olivia.press("Save changes", ticks(olivia.page, TEACHER))
        assert grant("training:user").last_day == date(2027, 1, 31)

    def test_it_does_not_give_back_a_role_with_days_that_a_colleague_took(
        self, olivia: Browser, meanwhile: Callable[..., None]
    ) -> None:
        meanwhile(give=[("exam-entries:user", None, date(2199, 1, 1))])
        olivia.get(THOMAS)
        meanwhile(take=["exam-entries:user"])
        olivia.press("Save changes", ticks(olivia.page, TEACHER | {"exam-entries:user"}))
        assert roles_of("thomas-reed@northfield") == TEACHER

    def test_a_mistake_in_between_does_not_make_it_newer(self, olivia: Browser, meanwhile: Callable[..., None]) -> None:
        meanwhile(take=["training:user"])
        page = olivia.press("Save changes", {"submit-for-assessment:teacher-last_day": "soon"})
        assert page.status == 422
        olivia.press("Save changes", {"submit-for-assessment:teacher-last_day": ""})
        assert "training:user" not in roles_of("thomas-reed@northfield")
        assert changes()[1:] == []

    def test_taking_what_a_colleague_took_already_is_not_recorded_twice(
        self, olivia: Browser, meanwhile: Callable[..., None]
    ) -> None:
        meanwhile(take=["training:user"])
        page = olivia.press("Save changes", ticks(olivia.page, TEACHER - {"training:user"} | {RETIRED}))
        assert page.banners == ["Please note Nothing was different, so nothing was changed."]
        assert [change["taken"] for change in changes()] == [["training:user"]]

    def test_a_person_who_was_removed_meanwhile_is_not_found(self, olivia: Browser, new_browser: NewBrowser) -> None:
        olivia.get(THOMAS)
        daniel = new_browser().signed_in_as("daniel-okafor")
        daniel.get(f"{THOMAS}/remove")
        daniel.press("Remove")
        assert olivia.press("Save changes", ticks(olivia.page, ["exam-entries:user"])).status == 404
        assert roles_of("thomas-reed@northfield") == set()


def test_an_officer_may_make_another_officer_who_can_act_at_once(olivia: Browser, new_browser: NewBrowser) -> None:
    thomas = new_browser().signed_in_as("thomas-reed")
    assert "Users" not in thomas.get("/").menu
    olivia.get(THOMAS)
    olivia.press("Save changes", ticks(olivia.page, TEACHER | {RETIRED, OFFICER}))
    assert "Users" in thomas.get("/").menu
    thomas.get(BEN)
    thomas.press("Save changes", ticks(thomas.page, ["training:user"]))
    assert roles_of("ben-castle@northfield") == {"training:user"}
