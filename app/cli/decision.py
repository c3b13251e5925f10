"""`tessera decision`: one answer that a program was given, looked up by its number."""

import click

from app.audit.decision_codec import DecisionRecord
from app.audit.queries import find
from app.cli.base import answer, as_json, examples, found, migrated_database
from app.vocabulary import REASON_SENTENCES


@click.command(
    epilog=examples(
        "tessera decision k7mq3xw9ab-1042",
        "tessera decision k7mq3xw9ab-1043.17 --json",
    )
)
@click.argument("number")
@as_json
def decision(number: str, as_json: bool) -> None:
    """Show the decision NUMBER: the `id` in every answer to a service.

    People and resources are named by their public ids only.
    """
    with migrated_database():
        record = found("decision", number, find)
    facts = record._asdict() | {
        "at": record.at.isoformat(),
        "sentence": REASON_SENTENCES[record.reason],
        "steps": None if record.steps is None else [list(step) for step in record.steps],
    }
    answer(_words(record), facts, for_program=as_json)


def _words(record: DecisionRecord) -> str:
    lines = [
        ("given", f"{record.at:%Y-%m-%d %H:%M:%S.%f} UTC, in {record.milliseconds:.3f} ms"),
        ("asked by", record.client),
        ("about", record.subject),
        ("action", record.action),
        ("resource", record.resource),
        ("organisation", record.organisation or "any"),
        ("reason", record.reason.value),
        ("policy", record.policy),
        ("known up to", f"event {record.revision}"),
    ]
    text = [f"{'Yes' if record.allowed else 'No'}. {REASON_SENTENCES[record.reason]}"]
    text += [f"  {name:<13}{value}" for name, value in lines]
    if record.steps:
        text += ["What was looked at:", *(f"  {question}: {answer}" for question, answer in record.steps)]
    return "\n".join(text)
