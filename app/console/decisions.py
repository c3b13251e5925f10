"""Looking a decision up that a program was given."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.audit.queries import find
from app.authz.information import directory
from app.console import blueprint
from app.ui.authorization import requires
from app.vocabulary import REASON_SENTENCES, Action


@blueprint.get("/decisions")
@requires(Action.READ_DECISIONS, directory.PLATFORM)
def decisions() -> ResponseReturnValue:
    """Show the decision whose number was typed. It names people and resources by public reference only."""
    number = request.args.get("number", "").strip()[:100]
    record = find(number)
    sentence = "" if record is None else REASON_SENTENCES[record.reason]
    return render_template("console/decisions.html", number=number, record=record, sentence=sentence)
