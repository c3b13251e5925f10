"""The support desk: organisations and their first exams officers, and nothing of what is theirs."""

import pytest

from app.audit.models import Event
from app.mail.models import Mail
from app.organisations.models import Organisation
from app.vocabulary import EventName
from tests.browsing import Browser, mailed_link, mails_to

LIST = "/console/organisations"
HILL = {
    "name": "Hill  School",
    "centre_number": " 90110 ",
    "officer_name": "Nora Field",
    "officer_address": "Nora.Field@example.org",
}


@pytest.fixture
def sam(browser: Browser) -> Browser:
    """The browser of somebody at the support desk."""
    return browser.signed_in_as("sam-porter")


def test_support_sets_up_an_organisation_whose_first_officer_starts_at_once(sam: Browser, browser: Browser) -> None:
    sam.get(LIST)
    sam.follow("Set up an organisation")
    page = sam.press("Set up organisation", HILL)
    assert page.address == LIST
    assert page.banners == ["Done Hill School has been set up. Its exams officer gets an e-mail."]
    assert "90110" in page.text
    events = [(event.name, event.by) for event in Event.select().order_by(Event.revision)][-3:]
    assert events == [
        (EventName.ORGANISATION_ADDED, "person:sam-porter"),
        (EventName.MEMBER_ADDED, "person:sam-porter"),
        (EventName.INVITATION_SENT, "person:sam-porter"),
    ]
    browser.press("Sign out")
    browser.get(mailed_link("nora.field@example.org"))
    page = browser.press("Activate account", {"password": "violet tractor harmonica"})
    assert page.menu == ["Home", "Account", "Users"]
    assert page.tiles == []
    browser.follow("Users")
    assert "1 user of Hill School" in browser.page.text


def test_an_officer_who_has_an_account_keeps_it(sam: Browser) -> None:
    sam.get(f"{LIST}/add")
    sam.press("Set up organisation", HILL | {"officer_address": "olivia.marsh@example.org"})
    assert mails_to("olivia.marsh@example.org") == ["You have been added to Hill School"]
    page = sam.signed_in_as("olivia-marsh").get("/")
    assert page.heading == "Which organisation are you working for?"


@pytest.mark.parametrize(
    ("officer", "is_open"),
    [("grace.holt", False), ("martin.shaw", False), ("olivia.marsh", True), ("ben.castle", True)],
)
def test_an_officer_whose_account_is_not_open_is_noticed(sam: Browser, officer: str, is_open: bool) -> None:
    sam.get(f"{LIST}/add")
    page = sam.press("Set up organisation", HILL | {"officer_address": f"{officer}@example.org"})
    warning = "Please note The account of its exams officer is not open, so nobody can sign in for it yet."
    assert page.banners[1:] == ([] if is_open else [warning])


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"name": "  "}, "Enter the name of the school or college."),
        ({"name": "\u202eloohcs live"}, "This name holds hidden characters. Type it instead of pasting it."),
        ({"name": "H" * 201}, "A name has at most 200 characters here."),
        ({"officer_name": "Nora\u200b"}, "This name holds hidden characters. Type it instead of pasting it."),
        ({"centre_number": ""}, "Enter the centre number."),
        ({"centre_number": "9011"}, "A centre number has five digits, such as 68199."),
        ({"centre_number": "90110\n1"}, "A centre number has five digits, such as 68199."),
        ({"centre_number": "٩٠١١٠"}, "A centre number has five digits, such as 68199."),
        ({"centre_number": "90101"}, "Centre number 90101 belongs to an organisation already."),
        ({"officer_name": ""}, "Enter the name of the exams officer."),
        ({"officer_address": "nora"}, "Enter an e-mail address in the right form, such as name@example.org."),
    ],
)
def test_a_mistake_is_said_changes_nothing_and_loses_nothing(sam: Browser, typed: dict[str, str], problem: str) -> None:
    before = Organisation.select().count()
    sam.get(f"{LIST}/add")
    page = sam.press("Set up organisation", HILL | typed)
    assert page.status == 422
    assert page.problems == [problem]
    kept = (HILL | typed)["officer_address"]
    assert page.value("officer_address").lower() == kept.lower()
    assert (Organisation.select().count(), Mail.select().count()) == (before, 0)


def test_the_form_cuts_nothing_off_and_is_about_somebody_else(sam: Browser) -> None:
    fields = [field for field in sam.get(f"{LIST}/add").root.all("input") if field["type"] != "hidden"]
    assert len(fields) == 4
    assert not any("maxlength" in field.attributes for field in fields)
    browsers_fill_in = {field["name"] for field in fields if field["autocomplete"] in {"name", "email"}}
    assert browsers_fill_in == set()


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("north", ["Northfield Academy"]),
        ("90102", ["Westbrook College"]),
        ("0102", []),
        ("college 901 WEST", ["Westbrook College"]),
        ("west academy", []),
        ("école ZÜR", ["École Zürich"]),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("'", []),
    ],
)
def test_the_list_is_searched_by_name_and_beginning_of_the_number(sam: Browser, search: str, found: list[str]) -> None:
    Organisation.update(name="École Zürich").where(Organisation.centre_number == "90104").execute()
    sam.get(LIST)
    page = sam.press("Search", {"search": search})
    assert [cell.text for body in page.root.all("tbody") for cell in body.all("th")] == found


def test_a_search_says_what_was_looked_for_and_leads_back_to_all(sam: Browser) -> None:
    everything = sam.get(LIST)
    assert "4 organisations" in everything.text
    page = sam.get(f"{LIST}?search=north")
    assert "1 organisation matches “north”. Show all" in page.text
    assert page.title.startswith("Organisations matching “north”")
    assert "organisations match “o”. Show all" in sam.get(f"{LIST}?search=o").text
    assert sam.follow("Show all").address == LIST


def test_the_list_says_where_each_organisation_stands(sam: Browser) -> None:
    rows = [row.text for body in sam.get(LIST).root.all("tbody") for row in body.all("tr")]
    assert rows == [
        "Eastgate School 90103 Suspended",
        "Northfield Academy 90101 Active",
        "Southmere High School 90104 Closed",
        "Westbrook College 90102 Active",
    ]


@pytest.mark.parametrize(
    "person",
    ["olivia-marsh", "thomas-reed", "amara-lewis", "helen-frost", "nina-costa", "victor-lind"],
)
def test_for_everybody_else_the_support_desk_does_not_exist(browser: Browser, person: str) -> None:
    browser.signed_in_as(person)
    for path in (LIST, f"{LIST}/add"):
        assert browser.get(path).status == 404
    assert browser.post(f"{LIST}/add", HILL).status == 404
    assert not Organisation.select().where(Organisation.centre_number == "90110").exists()


def test_an_auditor_looks_and_adds_nothing(browser: Browser) -> None:
    page = browser.signed_in_as("ruth-adeyemi").get(LIST)
    assert page.status == 200
    assert "Set up an organisation" not in page.links
    assert browser.post(f"{LIST}/add", HILL).status == 404


@pytest.mark.parametrize("person", ["sam-porter", "nina-costa", "victor-lind", "ruth-adeyemi"])
def test_being_staff_opens_no_service_and_no_schools_people(browser: Browser, person: str) -> None:
    page = browser.signed_in_as(person).get("/")
    assert page.tiles == []
    assert browser.get("/open/submit-for-assessment").status == 403
    assert browser.get("/organisations/northfield/users").status == 404


def test_support_staff_do_not_make_themselves_exams_officers(browser: Browser) -> None:
    browser.signed_in_as("sam-porter").get("/console/organisations/add")
    form = {
        "name": "Hill School",
        "centre_number": "90110",
        "officer_name": "Sam Porter",
        "officer_address": "Sam.Porter@example.org",
    }
    page = browser.press("Set up organisation", form)
    assert (page.status, page.problems) == (422, ["Nobody gives access to themselves. Name somebody else."])
