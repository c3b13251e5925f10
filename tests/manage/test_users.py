"""The list of users: searched, paged, escaped, and read in few questions to the database."""

import pytest

from app.memberships.operations import NewPerson, add_people
from app.organisations.models import Organisation
from app.services.models import Role
from tests.browsing import Browser, Page
from tests.manage.northfield import BEN, USERS, NewBrowser
from tests.querying import counted_queries


def add(*people: tuple[str, str]) -> None:
    """Add people with two roles each to Northfield."""
    roles = list(Role.select().where(Role.slug.in_(["training:user", "exam-entries:user"])))
    add_people(
        Organisation.get(Organisation.public_id == "northfield"),
        [NewPerson(name, address, roles) for name, address in people],
        by=None,
    )


def names(page: Page) -> list[str]:
    """Return the names on a list of users."""
    cells = [cell for body in page.root.all("tbody") for cell in body.all("th")]
    return [cell.text.removesuffix(cell.all("span")[-1].text).strip() for cell in cells]


def test_the_list_has_everybody_who_has_not_left_in_order_of_their_names(olivia: Browser) -> None:
    page = olivia.get(USERS)
    assert [name.split(" ")[0] for name in names(page)] == [
        "Amara",
        "Ben",
        "Daniel",
        "Grace",
        "Iris",
        "Olivia",
        "Owen",
        "Thomas",
        "Yusuf",
    ]
    assert "9 users of Northfield Academy" in page.text
    assert "Olivia Marsh (you)" in names(page)
    assert "olivia.marsh@example.org" in page.text


@pytest.mark.parametrize(
    ("person", "state"),
    [
        ("Ben Castle", "Invited"),
        ("Grace Holt", "Account suspended"),
        ("Yusuf Demir", "Suspended"),
        ("Thomas Reed", "Active"),
    ],
)
def test_each_row_says_where_the_person_stands(olivia: Browser, person: str, state: str) -> None:
    rows = [row for body in olivia.get(USERS).root.all("tbody") for row in body.all("tr")]
    (row,) = [row for row in rows if row.all("th")[0].text.startswith(person)]
    assert row.all("td")[0].text == state


def test_an_address_may_break_after_its_at_sign_only(olivia: Browser) -> None:
    assert '<span class="address">olivia.marsh@<wbr>example.org</span>' in olivia.get(USERS).html
    add(("Nora", "a&b@example.org"))
    assert '<span class="address">a&amp;b@<wbr>example.org</span>' in olivia.get(USERS).html


def test_who_is_suspended_before_they_have_come_in_is_called_suspended(olivia: Browser) -> None:
    olivia.get(BEN)
    assert "State Invited" in olivia.page.text
    olivia.follow("Suspend")
    olivia.press("Suspend")
    assert "State Suspended" in olivia.get(BEN).text
    assert "Invited" not in olivia.get(USERS).text


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("reed", {"Thomas Reed"}),
        ("  THOMAS   reed ", {"Thomas Reed"}),
        ("ben.castle@", {"Ben Castle"}),
        ("%", {"100% Sure"}),
        ("_", {"Under_score"}),
        ("100%", {"100% Sure"}),
        ("O'R", {"Ann O'Reilly"}),
        ('"', {'Jo "Q" Quote'}),
        ("\\", {"Back\\slash"}),
        ("marsh olivia", {"Olivia Marsh (you)"}),
        ("reed example.org", {"Thomas Reed"}),
        ("thomas marsh", set()),
        ("100% _", set()),
        ("ångström", {"Zoë Ångström-Müller"}),
        ("ZOË", {"Zoë Ångström-Müller"}),
        ("MÜLLER zoë", {"Zoë Ångström-Müller"}),
        ("ДАРЬЯ", {"Дарья Ковалёва"}),
        ("';drop table person;--", set()),
        ("priya", set()),
        ("martin", set()),
        ("nobody at all", set()),
        ("x" * 1000, set()),
    ],
)
def test_a_search_finds_who_has_every_word_of_it(olivia: Browser, search: str, found: set[str]) -> None:
    add(
        ("100% Sure", "sure@example.net"),
        ("Under_score", "under@example.net"),
        ("Ann O'Reilly", "ann@example.net"),
        ('Jo "Q" Quote', "jo@example.net"),
        ("Back\\slash", "back@example.net"),
        ("Zoë Ångström-Müller", "zoe@example.net"),
        ("Дарья Ковалёва", "darya@example.net"),
    )
    olivia.get(USERS)
    page = olivia.press("Search", {"search": search})
    assert set(names(page)) == found
    if not found:
        assert f"Nobody matches “{' '.join(search.split())[:100]}”." in page.text
        assert olivia.follow("Show all users").address == USERS


class TestPages:
    @pytest.fixture(autouse=True)
    def _many(self, cast: None) -> None:
        add(*((f"Person {number:02}", f"person{number:02}@example.net") for number in range(42)))

    def test_a_long_list_comes_in_pages_with_everybody_on_one_of_them(self, olivia: Browser) -> None:
        page = olivia.get(USERS)
        assert page.title.startswith("Users (page 1 of 3)")
        seen = names(page)
        while "Next page" in page.links:
            page = olivia.follow("Next page")
            seen += names(page)
        assert page.title.startswith("Users (page 3 of 3)")
        assert len(seen) == len(set(seen)) == 51
        assert olivia.follow("Previous page").title.startswith("Users (page 2 of 3)")

    @pytest.mark.slow
    @pytest.mark.parametrize("number", ["0", "-1", "4", "99999999999999999999999", "abc", "1.5", "", "2x"])
    def test_a_page_that_does_not_exist_is_the_first_one(self, olivia: Browser, number: str) -> None:
        page = olivia.get(f"{USERS}?page={number}")
        assert page.status == 200
        assert page.title.startswith("Users (page 1 of 3)")

    def test_paging_keeps_the_search(self, olivia: Browser) -> None:
        page = olivia.get(f"{USERS}?search=person+")
        assert "42 users match “person”" in page.text
        page = olivia.follow("Next page")
        assert page.title.startswith("Users matching “person” (page 2 of 2)")
        assert len(names(page)) == 17


class TestMarkup:
    NASTY = "<script>alert(1)</script> {{ 7*7 }} {name} & 'x' \"y\""

    @pytest.mark.parametrize("what", ["", "/suspend", "/remove", "/cancel-invitation"])
    def test_a_name_never_becomes_markup_on_any_page(self, olivia: Browser, what: str) -> None:
        add((self.NASTY, "nasty@example.net"))
        page = olivia.get(f"{USERS}?search=nasty@")
        assert self.NASTY in page.text
        assert "<script>" not in page.html
        page = olivia.get(page.links[f"View {self.NASTY}"] + what)
        assert page.status == 200
        assert self.NASTY in page.heading
        assert "<script>" not in page.html

    def test_nor_does_it_in_the_form_the_check_the_banner_and_a_mistake(self, olivia: Browser) -> None:
        olivia.get(f"{USERS}/add")
        page = olivia.press("Continue", {"people-0-name": self.NASTY, "people-0-address": '"><script>@x'})
        assert (page.value("people-0-name"), page.value("people-0-address")) == (self.NASTY, '"><script>@x')
        assert "<script>" not in page.html
        page = olivia.press("Continue", {"people-0-address": "nasty@example.net"})
        assert self.NASTY in page.text
        page = olivia.press("Save user")
        assert page.banners == [f"Done {self.NASTY} has been added and gets an e-mail."]
        assert "<script>" not in page.html
        olivia.get(f"{USERS}?search=nasty@")
        olivia.follow(f"View {self.NASTY}")
        olivia.follow("Suspend")
        assert olivia.press("Suspend").banners[0].startswith(f"Done {self.NASTY} has been suspended.")

    def test_a_search_never_becomes_markup(self, olivia: Browser) -> None:
        page = olivia.get(f"{USERS}?search=<script>alert(1)</script>\"'")
        assert "<script>" not in page.html
        assert page.value("search") == "<script>alert(1)</script>\"'"


@pytest.mark.slow
@pytest.mark.parametrize(("path", "exactly"), [(USERS, 11), ("/", 5), (f"{USERS}/thomas-reed@northfield", 12)])
def test_a_page_asks_the_database_as_often_for_many_people_as_for_few(olivia: Browser, path: str, exactly: int) -> None:
    def asked() -> list[str]:
        with counted_queries() as run:
            assert olivia.get(path).status == 200
        return [query.sql for query in run]

    asked()
    few = asked()
    add(*((f"Person {number:02}", f"person{number:02}@example.net") for number in range(40)))
    asked()
    assert len(asked()) == len(few)
    assert len(few) == exactly, few


def test_two_officers_look_at_the_same_list(olivia: Browser, new_browser: NewBrowser) -> None:
    other = new_browser().signed_in_as("daniel-okafor")
    lists = [[name.removesuffix(" (you)") for name in names(one.get(USERS))] for one in (olivia, other)]
    assert lists[0] == lists[1]
