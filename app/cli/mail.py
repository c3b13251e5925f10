"""`tessera mail`: the worker that empties the outbox, and what it could not send."""

import signal
import threading
from typing import Any

import click

from app.accounts.retention import forget_old
from app.cli.base import answer_list, as_json, examples, migrated_database
from app.mail.models import Mail
from app.mail.queries import unsent_mails
from app.mail.worker import Worker
from app.server.processes import end_with

_MOST_FOUND = 200


@click.group(
    invoke_without_command=True,
    epilog=examples("SMTP_URL=smtps://portal:secret@mail.example.org tessera mail", "tessera mail list"),
)
@click.option("--parent", type=int, hidden=True, help="The process that this one must not outlive.")
@click.pass_context
def mail(context: click.Context, parent: int | None) -> None:
    """Send what is in the outbox until stopped, or list what could not be sent.

    `tessera serve` runs one worker; more of them, on any machine that reaches the database, share the work.
    """
    if context.invoked_subcommand is not None:
        return
    if parent is not None:
        end_with(parent)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The signal may come while the worker holds the lock of the event, and would then wait for itself for ever.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    with migrated_database():
        pass
    Worker(forget_old).run(stop)


@mail.command(name="list", epilog=examples("tessera mail list", "tessera mail list --json"))
@as_json
def list_(as_json: bool) -> None:
    """List mails that wait or were refused, the newest first: 200 at most.

    What was refused is not tried again: its text is gone, because it may hold a link. When the address is put right,
    send the invitation again, or have the person ask for another link.
    """
    with migrated_database():
        answer_list([_members(row) for row in unsent_mails(_MOST_FOUND)], _words, for_program=as_json)


def _members(row: Mail) -> dict[str, Any]:
    return {
        "message_id": row.message_id.strip("<>"),
        "to": row.to_address,
        "subject": row.subject,
        "state": str(row.state),
        "tries": row.tries,
        "last_reply": row.last_reply,
        "queued_at": row.created_at.isoformat(),
    }


def _words(row: dict[str, Any]) -> str:
    tries = f", {row['tries']} {'try' if row['tries'] == 1 else 'tries'}" if row["tries"] else ""
    reply = f", last answer {row['last_reply']}" if row["last_reply"] else ""
    return f"{row['queued_at'][:16]}  {row['state']}: {row['to']}, {row['subject']!r}{tries}{reply}"
