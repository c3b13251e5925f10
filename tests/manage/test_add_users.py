"""Adding users, several at once: all of them or none, and nothing before it was checked."""

from typing import Any

import pytest

from app.accounts.models import EmailAddress, Person
from app.audit.models import Event
from app.mail.models import Mail
from app.memberships.models import Grant, Membership
from app.memberships.operations import NewPerson, add_people
from app.organisations.models import Organisation
from app.vocabulary import EventName, MembershipState, PersonState
from tests.browsing import Browser, Page, mailed_link, mails_to
from tests.manage.northfield import EARLY, LATE, OFFICER, USERS, NewBrowser, membership, roles_of

ADD = f"{USERS}/add"
NORA = {
    "people-0-name": "Nora Field",
    "people-0-address": "nora.field@example.org",
    "people-0-roles": ["training:user"],
}
OMAR = {"people-1-name": "Omar Hill", "people-1-address": "omar.hill@example.org"}
TRAINING = "training:user"
TICKED = ["training:user", LATE]
"""The officer may not give the second: it counts for nothing."""
KNOWN = "Somebody with this e-mail address is on your list of users already."


def added() -> list[str]:
    """Return the addresses of the people at Northfield who are not of the cast."""
    rows = (
        Membership.select(Membership, EmailAddress)
        .join(EmailAddress, on=(EmailAddress.person == Membership.person), attr="mail")
        .where(
            Membership.organisation == Organisation.get(Organisation.public_id == "northfield"),
            Membership.state == MembershipState.ACTIVE,
            ~Membership.public_id.contains("@"),
        )
        .order_by(EmailAddress.address)
    )
    return [row.mail.address for row in rows]


def two_filled(browser: Browser, first: dict[str, Any] = NORA, second: dict[str, Any] = OMAR) -> None:
    """Fill in the form for two people, without sending it."""
    browser.get(ADD)
    browser.press("Add another person", first)
    browser.press("Add another person", second)
    browser.press("Leave out person 3")


def test_two_people_are_filled_in_checked_and_saved(olivia: Browser) -> None:
    two_filled(olivia)
    page = olivia.press("Continue")
    assert page.heading == "Check before saving"
    for words in ("Nora Field", "nora.field@example.org", "Training: User", "Omar Hill", "Nothing yet."):
        assert words in page.text
    page = olivia.press("Save users")
    assert page.address == USERS
    assert page.banners == ["Done Nora Field and Omar Hill have been added. Each gets an e-mail."]
    assert added() == ["nora.field@example.org", "omar.hill@example.org"]
    for address in added():
        assert mails_to(address) == ["Activate your Tessera account"]
    events = [event.name for event in Event.select().order_by(Event.revision)][-4:]
    assert events == [EventName.MEMBER_ADDED, EventName.INVITATION_SENT] * 2


def test_the_check_lists_roles_as_the_form_does(olivia: Browser) -> None:
    form = olivia.get(ADD)
    offered = [box["value"] for box in form.root.all("input") if box["name"] == "people-0-roles"]
    page = olivia.press("Continue", {**NORA, "people-0-roles": sorted(offered)})
    assert [field["value"] for field in page.root.all("input") if field["name"] == "people-0-roles"] == offered
    assert offered != sorted(offered)


def test_nothing_is_saved_before_the_last_button(olivia: Browser) -> None:
    people, events = Person.select().count(), Event.select().count()
    two_filled(olivia)
    olivia.press("Continue")
    olivia.press("Change something")
    olivia.press("Continue")
    assert (Person.select().count(), Event.select().count(), Mail.select().count()) == (people, events, 0)


def test_going_back_from_the_check_keeps_what_was_typed(olivia: Browser) -> None:
    two_filled(olivia)
    olivia.press("Continue")
    page = olivia.press("Change something")
    assert page.heading == "Add user(s)"
    assert [
        page.value(name) for name in ("people-0-name", "people-0-address", "people-1-name", "people-1-address")
    ] == [
        "Nora Field",
        "nora.field@example.org",
        "Omar Hill",
        "omar.hill@example.org",
    ]
    assert page.ticked("people-0-roles") == {"training:user"}
    assert page.ticked("people-1-roles") == set()


def test_the_new_person_activates_and_finds_what_was_ticked(olivia: Browser, new_browser: NewBrowser) -> None:
    olivia.get(ADD)
    olivia.press("Continue", NORA)
    assert olivia.press("Save user").banners == ["Done Nora Field has been added and gets an e-mail."]
    nora = new_browser()
    nora.get(mailed_link("nora.field@example.org"))
    assert nora.press("Activate account", {"password": "violet tractor harmonica"}).tiles == ["Training"]


def test_one_more_person_is_where_the_typing_goes_on(olivia: Browser) -> None:
    def focused(page: Page) -> list[str]:
        return [field["name"] for field in page.root.all("input") if "autofocus" in field.attributes]

    assert focused(olivia.get(ADD)) == []
    assert focused(olivia.press("Add another person")) == ["people-1-name"]
    assert focused(olivia.press("Add another person")) == ["people-2-name"]
    assert focused(olivia.press("Leave out person 3")) == []


def test_the_enter_key_continues_and_leaves_nobody_out(olivia: Browser) -> None:
    two_filled(olivia)
    form = next(main for main in olivia.page.root.all("main")).all("form")[0]
    first = form.all("button")[0]
    assert (first["name"], first["value"]) == ("step", "check")


class TestMistakes:
    def test_each_is_said_beside_its_person_and_everything_typed_comes_back(self, olivia: Browser) -> None:
        two_filled(
            olivia,
            NORA,
            {"people-1-name": "  ", "people-1-address": "omar at example", "people-1-roles": ["exam-entries:user"]},
        )
        page = olivia.press("Continue")
        assert page.status == 422
        assert page.problems == [
            "Person 2: Enter a name.",
            "Person 2: Enter an e-mail address in the right form, such as name@example.org.",
        ]
        assert page.value("people-0-name") == "Nora Field"
        assert page.value("people-1-address") == "omar at example"
        assert (page.ticked("people-0-roles"), page.ticked("people-1-roles")) == (
            {"training:user"},
            {"exam-entries:user"},
        )
        assert added() == []

    def test_a_double_in_the_form_is_found_whatever_its_case(self, olivia: Browser) -> None:
        two_filled(olivia, NORA, {"people-1-name": "Nora Again", "people-1-address": " NORA.Field@example.org "})
        page = olivia.press("Continue")
        assert page.problems == ["Person 2: This e-mail address stands above already. Give each person their own."]

    @pytest.mark.parametrize(
        "address", ["thomas.reed@example.org", "Ben.Castle@example.org", "yusuf.demir@example.org"]
    )
    def test_somebody_who_is_on_the_list_is_not_added_again(self, olivia: Browser, address: str) -> None:
        two_filled(olivia, NORA, {"people-1-name": "X", "people-1-address": address})
        assert olivia.press("Continue").problems == [f"Person 2: {KNOWN}"]
        assert added() == []

    def test_if_a_colleague_was_first_nobody_is_saved(self, olivia: Browser) -> None:
        two_filled(olivia)
        olivia.press("Continue")
        add_people(
            Organisation.get(Organisation.public_id == "northfield"),
            [NewPerson("Omar Hill", "omar.hill@example.org", [])],
            by=None,
        )
        page = olivia.press("Save users")
        assert page.status == 422
        assert page.problems == [f"Person 2: {KNOWN}"]
        assert page.value("people-0-name") == "Nora Field"
        assert added() == ["omar.hill@example.org"]
        assert mails_to("nora.field@example.org") == []

    def test_pressing_save_twice_adds_once_and_is_no_mistake(self, olivia: Browser) -> None:
        form = NORA | OMAR | {"step": "save", "people-0-address": "Nora.Field@example.org", "people-0-roles": TICKED}
        olivia.post(ADD, form)
        page = olivia.post(ADD, form)
        assert page.address == USERS
        assert page.banners[-1] == "Done These 2 people are on your list of users now, with the roles that you chose."
        assert added() == ["nora.field@example.org", "omar.hill@example.org"]
        assert mails_to("nora.field@example.org") == ["Activate your Tessera account"]

    @pytest.mark.parametrize("roles", [[], ["training:user", "exam-entries:user"]])
    def test_saving_somebody_again_with_other_roles_is_one(self, olivia: Browser, roles: list[str]) -> None:
        olivia.post(ADD, NORA | {"step": "save"})
        page = olivia.post(ADD, NORA | {"step": "save", "people-0-roles": roles})
        assert (page.status, page.problems) == (422, [KNOWN])

    @pytest.mark.parametrize("name", ["Nora \u202eevil", "Nora\x01 Field", "\x1b[31mNora", "Nora\u200b", "\u200d"])
    def test_a_name_with_hidden_characters_is_said(self, olivia: Browser, name: str) -> None:
        olivia.get(ADD)
        page = olivia.press("Continue", NORA | {"people-0-name": name})
        assert page.problems == ["This name holds hidden characters. Type it instead of pasting it."]

    def test_a_name_of_any_script_is_one(self, olivia: Browser) -> None:
        olivia.get(ADD)
        name = "علی\u200cرضا Ó Súilleabháin-渡辺"  # noqa: RUF001  (that is how it is written)
        assert name in olivia.press("Continue", NORA | {"people-0-name": f" {name}\u00a0 "}).text

    def test_a_name_that_is_too_long_is_said(self, olivia: Browser) -> None:
        olivia.get(ADD)
        page = olivia.press("Continue", NORA | {"people-0-name": "N" * 121})
        assert page.problems == ["A name has at most 120 characters here."]


class TestHandMadeForms:
    @pytest.mark.parametrize("index", ["", "abc", "-1", "1e3", "٣", "²", "9" * 20, "9" * 5000, "1.0"])
    def test_nonsense_about_the_index_of_a_person_adds_who_was_named(self, olivia: Browser, index: str) -> None:
        odd = {f"people-{index}-name": "Odd", f"people-{index}-address": "odd@example.org"}
        assert olivia.post(ADD, {**NORA, **odd, "step": "save"}).status == 200
        assert added() == ["nora.field@example.org"]

    def test_indices_need_not_follow_each_other(self, olivia: Browser) -> None:
        form = {"people-7-name": "Nora", "people-7-address": "nora.field@example.org"}
        page = olivia.post(ADD, form | {"people-3-name": "", "people-3-address": "x", "step": "check"})
        assert [problem.partition(":")[0] for problem in page.problems] == ["Person 1", "Person 1"]
        assert page.value("people-1-address") == "nora.field@example.org"

    def test_a_form_without_anybody_adds_nobody(self, olivia: Browser) -> None:
        page = olivia.post(ADD, {"step": "save"})
        assert page.problems
        assert added() == []

    def test_at_most_twenty_people_are_added_at_once(self, olivia: Browser) -> None:
        form = {"step": "save"}
        for number in range(25):
            form |= {
                f"people-{number}-name": f"Person {number}",
                f"people-{number}-address": f"person{number}@example.net",
            }
        olivia.post(ADD, form)
        assert len(added()) == 20
        page = olivia.post(ADD, form | {"step": "more"})
        assert len([box for box in page.root.all("input") if box["name"].endswith("-address")]) == 20
        assert "Add another person" not in page.buttons

    @pytest.mark.parametrize("step", ["", "nothing", "SAVE"])
    @pytest.mark.parametrize("leave_out", [None, "", "99", "-1", "x", "²", "0"])
    def test_an_unknown_button_saves_nothing(self, olivia: Browser, step: str, leave_out: str | None) -> None:
        page = olivia.post(ADD, {**NORA, "step": step} | ({} if leave_out is None else {"leave_out": leave_out}))
        assert page.status == 200
        assert page.heading == "Add user(s)"
        assert added() == []

    def test_saving_without_checking_is_checked_all_the_same(self, olivia: Browser) -> None:
        page = olivia.post(ADD, {"step": "save", "people-0-name": "", "people-0-address": "nonsense"})
        assert page.status == 422
        assert len(page.problems) == 2

    def test_roles_that_are_not_the_officers_to_give_are_not_given(self, olivia: Browser) -> None:
        olivia.post(
            ADD,
            {**NORA, "step": "save", "people-0-roles": [EARLY, LATE, "nothing:here", "training:user", OFFICER]},
        )
        (person,) = EmailAddress.select().where(EmailAddress.address == "nora.field@example.org")
        held = Grant.select().join(Membership).where(Membership.person == person.person)
        assert {grant.role.slug for grant in held} == {"training:user", OFFICER}

    def test_an_address_is_not_a_way_to_send_mail_to_others(self, olivia: Browser) -> None:
        for address in ("nora@example.org\r\nBcc: all@example.org", "a@b.c,d@e.f", "Nora <nora@example.org>"):
            assert olivia.post(ADD, {**NORA, "people-0-address": address, "step": "save"}).status == 422
        assert Mail.select().count() == 0


class TestSomebodyWithAnAccount:
    def test_they_keep_their_name_and_password_and_are_told_by_mail(
        self, olivia: Browser, new_browser: NewBrowser
    ) -> None:
        olivia.get(ADD)
        olivia.press("Continue", {**NORA, "people-0-name": "Wrong Name", "people-0-address": "helen.frost@example.org"})
        olivia.press("Save user")
        helen = Person.get(Person.public_id == "helen-frost")
        assert (helen.name, helen.state) == ("Helen Frost", PersonState.ACTIVE)
        assert mails_to("helen.frost@example.org") == ["You have been added to Northfield Academy"]
        assert new_browser().sign_in("helen-frost").tiles == ["Training"]

    def test_the_check_does_not_tell_whether_an_address_is_known_elsewhere(self, olivia: Browser) -> None:
        olivia.get(ADD)
        page = olivia.press("Continue", {**NORA, "people-0-address": "helen.frost@example.org"})
        assert "Nora Field" in page.text
        assert "Helen" not in page.text

    def test_somebody_of_another_school_becomes_somebody_of_both(
        self, olivia: Browser, new_browser: NewBrowser
    ) -> None:
        olivia.get(ADD)
        olivia.press("Continue", {**NORA, "people-0-address": "frank.doyle@example.org"})
        olivia.press("Save user")
        assert new_browser().signed_in_as("frank-doyle").get("/").tiles == ["Training"]

    def test_who_left_comes_back_without_the_roles_they_had(self, olivia: Browser, new_browser: NewBrowser) -> None:
        assert roles_of("priya-nair@northfield") == {OFFICER}
        olivia.get(ADD)
        olivia.press("Continue", {**NORA, "people-0-address": "priya.nair@example.org"})
        olivia.press("Save user")
        assert roles_of("priya-nair@northfield") == {"training:user"}
        assert membership("priya-nair@northfield").state == MembershipState.ACTIVE
        assert new_browser().signed_in_as("priya-nair").get(USERS).status == 403


class TestWhatAnAccountTellsWhoeverTypesItsAddress:
    """Nothing, until its holder has been told and has signed in."""

    @pytest.fixture
    def priya(self, browser: Browser) -> Browser:
        return browser.signed_in_as("priya-nair")

    @staticmethod
    def added(priya: Browser, address: str) -> Page:
        priya.get("/organisations/westbrook/users/add")
        priya.press(
            "Continue",
            {"people-0-name": "Whoever", "people-0-address": f"{address}@example.org", "people-0-roles": [TRAINING]},
        )
        page = priya.press("Save user")
        assert page.banners == ["Done Whoever has been added and gets an e-mail."]
        return page

    @pytest.mark.parametrize("address", ["thomas.reed", "grace.holt", "martin.shaw"])  # active, suspended, closed
    def test_neither_the_list_nor_the_page_of_the_person_tells_more_than_was_typed(
        self, priya: Browser, address: str
    ) -> None:
        page = self.added(priya, address)
        [row] = [row.text for row in page.root.all("tr") if f"{address}@example.org" in row.text]
        assert row == f"Whoever {address}@example.org Added Training: User Never View Whoever"
        person = priya.follow("View Whoever")
        for words in ("State Added", "Last sign-in Never", "You can see this once Whoever has signed in."):
            assert words in person.text
        assert "Why can" not in person.text
        assert priya.get(f"{person.address}/why/training").status == 404
        real = address.replace(".", " ").title()
        assert real not in page.html
        assert real not in person.html
        # What stands in the address was typed, so of the name only what does not stand there can tell anything.
        Person.update(name=f"{real} Quill").where(Person.name == real).execute()
        assert "Nobody matches" in priya.get("/organisations/westbrook/users?search=quill").text

    def test_their_own_sign_in_makes_them_known(self, priya: Browser, new_browser: NewBrowser) -> None:
        self.added(priya, "thomas.reed")
        new_browser().sign_in("thomas-reed")
        page = priya.get("/organisations/westbrook/users?search=reed")
        [row] = [row.text for row in page.root.all("tr") if "thomas.reed" in row.text]
        assert row.startswith("Thomas Reed thomas.reed@example.org Active")
        assert "Why can they open this?" in priya.follow("View Thomas Reed").text

    def test_who_comes_back_is_not_known_either_before_they_sign_in(
        self, priya: Browser, new_browser: NewBrowser
    ) -> None:
        self.added(priya, "thomas.reed")
        new_browser().sign_in("thomas-reed")
        priya.get("/organisations/westbrook/users?search=reed")
        priya.follow("View Thomas Reed")
        priya.follow("Remove")
        priya.press("Remove")
        assert "Thomas" not in self.added(priya, "thomas.reed").html

    def test_a_mail_to_an_account_that_is_not_open_does_not_send_them_to_sign_in(self, priya: Browser) -> None:
        self.added(priya, "martin.shaw")
        [mail] = Mail.select().where(Mail.to_address == "martin.shaw@example.org")
        text = " ".join(mail.body.split())
        assert "Your account is not open at the moment. Our support desk can tell you why. If you" in text
        assert "http" not in text

    def test_a_mail_to_an_account_that_is_open_leads_them_in(self, priya: Browser) -> None:
        self.added(priya, "thomas.reed")
        [mail] = Mail.select().where(Mail.to_address == "thomas.reed@example.org")
        assert "Sign in as usual; you find it beside your other organisations:\n\nhttp://" in mail.body


def test_one_person_is_told_of_in_the_singular_by_the_name_that_was_typed(browser: Browser) -> None:
    browser.signed_in_as("olivia-marsh").get("/organisations/northfield/users/add")
    browser.press("Continue", {"people-0-name": "Helena F", "people-0-address": "helen.frost@example.org"})
    assert browser.press("Save user").banners == ["Done Helena F has been added and gets an e-mail."]


def test_roles_of_services_that_are_not_open_are_not_offered(browser: Browser) -> None:
    page = browser.signed_in_as("olivia-marsh").get("/organisations/northfield/users/add")
    assert "Training" in page.text
    assert "Online moderation" not in page.text
    assert "Results by post" not in page.text
