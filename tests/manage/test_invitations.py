"""Sending an invitation again, and taking it back."""

from datetime import UTC, datetime, timedelta

import time_machine

from app.accounts.activation import INVITATION_LASTS, invite
from app.accounts.models import Invitation, Person
from app.accounts.throttling import MAILS_PER_ADDRESS
from app.mail.models import Mail
from app.mail.operations import claim, mark_refused, postpone
from app.organisations.models import Organisation
from app.vocabulary import MembershipState, PersonState
from tests.browsing import Browser, mailed_link, mails_to
from tests.manage.northfield import BEN, THOMAS, USERS, NewBrowser, membership

ADDRESS = "ben.castle@example.org"


def test_sending_again_makes_a_new_link_and_kills_the_old_one(olivia: Browser, new_browser: NewBrowser) -> None:
    olivia.get(BEN)
    olivia.press("Send the invitation again")
    first = mailed_link(ADDRESS)
    page = olivia.press("Send the invitation again")
    assert page.banners == [
        f"Done A new invitation has been sent to {ADDRESS}. The link in the earlier one does not work any more."
    ]
    second = mailed_link(ADDRESS)
    ben = new_browser()
    page = ben.get(first)
    assert page.status == 410
    assert "a newer one was sent" in page.text
    assert ben.get(second).status == 200
    assert "Olivia Marsh has added you to Northfield Academy" in ben.page.text


def test_what_did_not_arrive_does_not_look_sent(olivia: Browser) -> None:
    olivia.get(BEN)
    olivia.press("Send the invitation again")
    assert "arrive" not in olivia.get(BEN).text
    mail = claim("worker")
    assert mail
    postpone(mail, "450")
    assert "It has not arrived yet" in olivia.get(BEN).text
    mark_refused(mail, 550)
    assert f"no mail is taken for {ADDRESS}" in olivia.get(BEN).text
    olivia.press("Send the invitation again")
    assert "arrive" not in olivia.get(BEN).text


class TestRunningOut:
    SENT = datetime(2026, 5, 3, 22, 30, tzinfo=UTC)

    @staticmethod
    def told(olivia: Browser) -> tuple[str, str]:
        """Return what the list and the page say of Ben's invitation."""
        [row] = [row for row in olivia.get(USERS).root.all("tr") if ADDRESS in row.text]
        page = olivia.get(BEN)
        words = dict(
            zip(
                (term.text for term in page.root.all("dt")),
                (description.text for description in page.root.all("dd")),
                strict=True,
            )
        )
        assert words["State"] == row.all("td")[0].text
        return words["State"], words.get("Invitation", "")

    def test_the_list_and_the_page_say_until_when_the_link_works(self, olivia: Browser) -> None:
        Organisation.update(time_zone="Asia/Karachi").where(Organisation.public_id == "northfield").execute()
        with time_machine.travel(self.SENT, tick=False) as traveller:
            olivia.signed_in_as("olivia-marsh").get(BEN)
            olivia.press("Send the invitation again")
            works = ("Invited", "Sent on 4 May 2026; its link works until 18 May 2026")
            assert self.told(olivia) == works
            # An invitation of somebody else's is nobody's business here.
            invite(
                Person.get(Person.public_id == "ben-castle"),
                Organisation.get(Organisation.public_id == "westbrook"),
                by=None,
            )
            assert self.told(olivia) == works
            traveller.move_to(self.SENT + INVITATION_LASTS - timedelta(seconds=1))
            olivia.signed_in_as("olivia-marsh")
            assert self.told(olivia) == works
            traveller.shift(timedelta(seconds=1))
            assert self.told(olivia) == (
                "Invitation ran out",
                "Sent on 4 May 2026; its link ran out on 18 May 2026. You can send it again below.",
            )
            olivia.press("Send the invitation again")
            assert self.told(olivia) == ("Invited", "Sent on 18 May 2026; its link works until 1 June 2026")

    def test_who_has_come_in_has_none(self, olivia: Browser) -> None:
        Person.update(state=PersonState.ACTIVE).where(Person.public_id == "ben-castle").execute()
        Invitation.update(ends_at=self.SENT).execute()
        assert self.told(olivia) == ("Active", "")

    def test_one_from_another_school_is_not_told(self, olivia: Browser) -> None:
        westbrook = Organisation.get(Organisation.public_id == "westbrook")
        Invitation.update(organisation=westbrook, ends_at=self.SENT).execute()
        assert self.told(olivia) == ("Invited", "")


def test_nobody_is_flooded_with_invitations(olivia: Browser) -> None:
    olivia.get(BEN)
    for _ in range(MAILS_PER_ADDRESS + 1):
        page = olivia.press("Send the invitation again")
    assert page.banners == [
        "Please note This person has been sent several e-mails just now. Wait 15 minutes, then try again."
    ]
    assert len(mails_to(ADDRESS)) == MAILS_PER_ADDRESS


def test_a_link_from_another_school_stays_alive(olivia: Browser, new_browser: NewBrowser) -> None:
    ben = Person.get(Person.public_id == "ben-castle")
    invite(ben, Organisation.get(Organisation.public_id == "westbrook"), by=None)
    link = mailed_link(ADDRESS)
    olivia.get(BEN)
    olivia.press("Send the invitation again")
    assert new_browser().get(link).status == 200


def test_a_cancelled_invitation_is_dead_and_the_person_leaves_the_list(
    olivia: Browser, new_browser: NewBrowser
) -> None:
    olivia.get(BEN)
    olivia.press("Send the invitation again")
    link = mailed_link(ADDRESS)
    olivia.follow("Cancel the invitation")
    assert olivia.page.heading == "Cancel the invitation for Ben Castle?"
    page = olivia.press("Cancel the invitation")
    assert page.address == USERS
    assert page.banners == ["Done The invitation for Ben Castle has been cancelled."]
    assert ADDRESS not in page.text
    assert new_browser().get(link).status == 410
    assert membership("ben-castle@northfield").state == MembershipState.ENDED
    assert olivia.get(BEN).status == 404


def test_removing_somebody_who_was_invited_kills_the_link_too(olivia: Browser, new_browser: NewBrowser) -> None:
    olivia.get(BEN)
    olivia.press("Send the invitation again")
    link = mailed_link(ADDRESS)
    # Their page offers to cancel the invitation instead; an older page may still be open somewhere.
    assert "Remove" not in olivia.page.links
    olivia.get(f"{BEN}/remove")
    olivia.press("Remove")
    assert new_browser().get(link).status == 410


def test_who_has_come_in_has_no_invitation_any_more(olivia: Browser) -> None:
    olivia.get(BEN)
    Person.update(state=PersonState.ACTIVE).where(Person.public_id == "ben-castle").execute()
    before = Invitation.select().count()
    assert olivia.press("Send the invitation again").status == 403
    assert olivia.page.heading == "You cannot do this"
    for path in (f"{BEN}/cancel-invitation", f"{THOMAS}/resend-invitation", f"{THOMAS}/cancel-invitation"):
        assert olivia.post(path).status == 403
    assert Invitation.select().count() == before
    assert Mail.select().count() == 0
    assert membership("ben-castle@northfield").state == MembershipState.ACTIVE


def test_nobody_is_invited_by_an_officer_who_has_just_lost_the_role(olivia: Browser, new_browser: NewBrowser) -> None:
    olivia.get(BEN)
    daniel = new_browser().signed_in_as("daniel-okafor")
    daniel.get(f"{USERS}/olivia-marsh@northfield/remove")
    daniel.press("Remove")
    assert olivia.press("Send the invitation again").status == 404
    assert Mail.select().count() == 0
