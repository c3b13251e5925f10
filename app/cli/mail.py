"""`tessera mail`: the worker that empties the outbox."""

import logging
import signal
import threading

import click

from app.cli.base import examples, migrated_database
from app.cli.processes import end_with
from app.mail import worker


@click.command(epilog=examples("SMTP_URL=smtps://portal:secret@mail.example.org tessera mail"))
@click.option("--parent", type=int, hidden=True, help="The process that this one must not outlive.")
def mail(parent: int | None) -> None:
    """Send what is in the outbox until stopped.

    `tessera serve` runs one; more of them, on any machine that reaches the database, share the work.
    """
    if parent is not None:
        end_with(parent)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The signal may come while the worker holds the lock of the event, and would then wait for itself for ever.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    logging.basicConfig(format="[mail] %(message)s", level=logging.INFO)
    with migrated_database():
        pass
    worker.run(stop)
