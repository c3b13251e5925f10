"""What `tessera mail list` says of mails that did not arrive."""

from app.mail.operations import claim, mark_refused, mark_sent, postpone, queue
from tests.cli.conftest import CommandLine


def test_what_waits_or_was_refused_is_listed_with_the_last_answer(tessera: CommandLine, database: None) -> None:
    assert tessera.does("mail", "list") == "There is none.\n"
    for name in ("sent", "refused", "late"):
        queue(f"{name}@example.org", "Hello", "A link that signs somebody in")
        mail = claim("worker")
        assert mail
        if name == "sent":
            mark_sent(mail)
        elif name == "refused":
            mark_refused(mail, 553)
        else:
            postpone(mail, "450")
    queue("new@example.org", "Hello", "A link that signs somebody in")
    found = tessera.tells("mail", "list")["found"]
    assert [(one["to"].partition("@")[0], one["state"], one["tries"], one["last_reply"]) for one in found] == [
        ("new", "waiting", 0, None),
        ("late", "waiting", 1, "450"),
        ("refused", "refused", 1, "553"),
    ]
    assert "signs somebody in" not in tessera.does("mail", "list")
