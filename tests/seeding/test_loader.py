"""The cast shows every case that the tables, the pages and the docs speak about; nonsense in its files is refused."""

import re
import shutil
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from app.accounts.models import EmailAddress, Invitation, Person
from app.accounts.passwords import matches
from app.config import ROOT
from app.kernel import clock
from app.kernel.tokens import hash_token
from app.memberships.models import Grant, Membership
from app.organisations.models import Organisation
from app.seeding.fixtures import FIXTURES, FixtureError
from app.seeding.loader import is_empty, load_cast
from app.services.models import Client, Role, Service
from app.staff.models import StaffGrant
from app.vocabulary import (
    USER_MANAGEMENT,
    MembershipState,
    OrganisationState,
    PersonState,
    ServiceState,
    StaffRole,
)


def person(name: str) -> Person:
    return Person.get(Person.public_id == name)


def grants(membership: str) -> dict[str, Grant]:
    return {grant.role.slug: grant for grant in Membership.get(Membership.public_id == membership).grants}


def officers_of(organisation: str) -> set[str]:
    """Return who has User management there without an end, in good standing."""
    query = (
        Person.select(Person.public_id)
        .join(Membership)
        .join(Grant)
        .join(Role)
        .switch(Membership)
        .join(Organisation)
        .where(
            Role.slug == USER_MANAGEMENT,
            Organisation.public_id == organisation,
            Person.state == PersonState.ACTIVE,
            Membership.state == MembershipState.ACTIVE,
            Grant.first_day.is_null(),
            Grant.last_day.is_null(),
        )
    )
    return {row.public_id for row in query}


@pytest.mark.usefixtures("cast")
class TestEveryCase:
    def test_two_organisations_are_active_one_suspended_and_one_closed(self) -> None:
        assert sorted(row.state for row in Organisation.select()) == ["active", "active", "closed", "suspended"]

    def test_every_organisation_has_a_centre_number_of_five_digits(self) -> None:
        assert all(row.centre_number.isdigit() and len(row.centre_number) == 5 for row in Organisation.select())

    def test_eight_services_are_live_one_hidden_and_one_retired(self) -> None:
        states = [row.state for row in Service.select()]
        assert [states.count(state) for state in ServiceState] == [8, 1, 1]

    def test_every_service_has_a_role_and_opens_its_own_page(self) -> None:
        for service in Service.select():
            assert service.roles.count() >= 1
            assert service.launch_address == f"/demo-service/{service.slug}"

    def test_a_role_is_named_after_its_service_or_the_portal(self) -> None:
        for role in Role.select():
            assert role.slug.startswith(f"{role.service.slug if role.service else 'portal'}:")

    def test_some_roles_are_not_the_officers_to_give_and_somebody_has_one(self) -> None:
        assert Role.select().where(~Role.officers_may_give).count() == 2
        assert not grants("daniel-okafor@northfield")["digital-question-papers:early-release"].role.officers_may_give

    def test_one_school_has_two_exams_officers_and_another_has_one(self) -> None:
        assert officers_of("northfield") == {"olivia-marsh", "daniel-okafor"}
        assert officers_of("westbrook") == {"priya-nair"}

    def test_somebody_is_at_two_organisations(self) -> None:
        assert {place.organisation.public_id for place in person("amara-lewis").memberships} == {
            "northfield",
            "westbrook",
        }

    def test_somebody_is_invited_and_has_an_open_invitation_and_no_password(self) -> None:
        ben = person("ben-castle")
        invitation = Invitation.get(Invitation.person == ben)
        assert (ben.state, ben.password_hash, ben.activated_at) == (PersonState.INVITED, "", None)
        assert timedelta(days=13) < invitation.ends_at - clock.now() <= timedelta(days=14)
        assert invitation.used_at is None

    def test_somebody_is_suspended_and_somebody_is_closed(self) -> None:
        assert person("grace-holt").state == PersonState.SUSPENDED
        assert person("martin-shaw").state == PersonState.CLOSED

    def test_somebodys_place_is_suspended_and_somebodys_has_ended(self) -> None:
        states = {place.public_id: place.state for place in Membership.select()}
        assert states["yusuf-demir@northfield"] == MembershipState.SUSPENDED
        assert states["priya-nair@northfield"] == MembershipState.ENDED

    def test_somebody_has_no_school(self) -> None:
        helen = person("helen-frost")
        assert helen.state == PersonState.ACTIVE
        assert helen.memberships.count() == helen.staff_grants.count() == 0

    def test_a_role_has_run_out_and_another_starts_next_month(self) -> None:
        today = clock.today("Europe/London")
        assert grants("iris-bell@northfield")[USER_MANAGEMENT].last_day == today - timedelta(days=10)
        assert grants("owen-price@northfield")[USER_MANAGEMENT].first_day == today + timedelta(days=30)

    def test_the_suspended_and_the_closed_school_have_people_with_roles(self) -> None:
        for membership, state in (
            ("leila-haddad@eastgate", OrganisationState.SUSPENDED),
            ("frank-doyle@southmere", OrganisationState.CLOSED),
        ):
            place = Membership.get(Membership.public_id == membership)
            assert place.organisation.state == state
            assert place.person.state == PersonState.ACTIVE
            assert place.grants.count() > 0

    def test_each_staff_role_has_one_person_who_belongs_to_no_school(self) -> None:
        held = {row.role: row.person for row in StaffGrant.select()}
        assert set(held) == set(StaffRole)
        assert len(set(held.values())) == len(StaffRole)
        assert all(holder.memberships.count() == 0 for holder in held.values())

    def test_everybody_who_was_let_in_has_the_one_password(self) -> None:
        password = tomllib.loads((FIXTURES / "people.toml").read_text())["password"]
        hashes = {row.password_hash for row in Person.select() if row.state != PersonState.INVITED}
        assert len(hashes) == 1
        assert matches(hashes.pop(), password)

    def test_every_address_is_an_example(self) -> None:
        assert all(row.address.endswith("@example.org") and row.primary for row in EmailAddress.select())

    def test_nobody_signed_in_before_they_were_added(self) -> None:
        assert all(row.last_sign_in_at >= row.created_at for row in Person.select() if row.last_sign_in_at)

    def test_the_two_clients_are_known_by_their_demo_keys(self) -> None:
        for slug in ("submit-for-assessment", "access-to-scripts"):
            client = Client.get(Client.key_hash == hash_token(f"demo-key-{slug}"))
            assert (client.service.slug, client.kinds, client.ended_at) == (slug, ["service", "role"], None)

    def test_a_client_has_ended_and_another_has_no_service(self) -> None:
        assert Client.get(Client.public_id == "old-uploader").ended_at is not None
        assert Client.get(Client.public_id == "unassigned").service is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the fixtures to spoil."""
    return Path(shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures"))


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.usefixtures("database")
class TestLoading:
    def test_an_empty_database_is_empty_until_the_cast_moves_in(self) -> None:
        assert is_empty()
        load_cast()
        assert not is_empty()

    @pytest.mark.parametrize(
        ("file", "old", "new", "sentence"),
        [
            ("people.toml", 'id = "olivia-marsh"', 'id = "Olivia!"', "Olivia!: id: Use small letters"),
            ("people.toml", 'state = "invited"', 'state = "invted"', "ben-castle: state: Must be one of"),
            (
                "people.toml",
                '"training:user", "results',
                '"traning:user", "results',
                "thomas-reed: there is no role traning:user.",
            ),
            (
                "people.toml",
                'organisation = "eastgate"',
                'organisation = "eastgat"',
                "leila-haddad: there is no organisation eastgat.",
            ),
            ("people.toml", 'first_day = "-20"', 'first_day = "soon"', "dated.0.first_day: Write days from today as"),
            (
                "people.toml",
                'name = "Iris Bell"',
                'name = "I"\nnick = "I"',
                "iris-bell: nick: Unknown field.",
            ),
            (
                "people.toml",
                "helen.frost@example.org",
                "iris.bell@example.org",
                "helen-frost: iris.bell@example.org appears twice.",
            ),
            ("people.toml", 'id = "sam-porter"\n', "", "person number 15: id: Missing data"),
            ("people.toml", "password = ", "passwort = ", "Unknown key passwort."),
            ("people.toml", "password = ", "# ", "password is missing."),
            ("people.toml", "[[person]]", "[[person", "This is not TOML: Expected"),
            ("organisations.toml", '"90103"', '"9010"', "eastgate: centre_number: A centre number"),
            ("organisations.toml", '"90103"', '"90101"', "eastgate: 90101 appears twice."),
            (
                "organisations.toml",
                'centre_number = "90103"',
                'centre_number = "90103"\ntime_zone = "Mars/Base"',
                "eastgate: time_zone: Mars/Base is not a time zone such as Europe/London.",
            ),
            (
                "services.toml",
                'slug = "training"\n',
                'slug = "exam-entries"\n',
                "exam-entries: exam-entries appears twi",
            ),
            (
                "services.toml",
                "officers_may_give = false",
                'officers_may_give = "never"',
                "role.1.officers_may_give: Not",
            ),
            (
                "clients.toml",
                'service = "access',
                'service = "acess',
                "access-to-scripts: there is no serv",
            ),
        ],
    )
    def test_nonsense_is_refused_with_file_and_entry(
        self, folder: Path, file: str, old: str, new: str, sentence: str
    ) -> None:
        spoil(folder / file, old, new)
        with pytest.raises(FixtureError) as refused:
            load_cast(folder)
        assert sentence in str(refused.value)
        assert re.match(rf"{re.escape(file)}:\d+: ", str(refused.value))
        assert is_empty()

    def test_a_kind_of_thing_belongs_to_one_service(self, folder: Path) -> None:
        path = folder / "clients.toml"
        ours, theirs = '"submit-for-assessment"\nkinds = [', '"access-to-scripts"\nkinds = ['
        for service in (ours, theirs):
            spoil(path, service, f'{service}"script", ')
        with pytest.raises(FixtureError) as refused:
            load_cast(folder)
        line = path.read_text().splitlines().index('id = "access-to-scripts"')
        sentence = "access-to-scripts: the kind script belongs to the service submit-for-assessment."
        assert str(refused.value) == f"clients.toml:{line}: {sentence}"
        spoil(path, theirs, '"submit-for-assessment"\nkinds = [')
        load_cast(folder)

    def test_a_missing_file_is_named(self, folder: Path) -> None:
        (folder / "clients.toml").unlink()
        with pytest.raises(FixtureError, match=r"^clients\.toml:0: "):
            load_cast(folder)
