"""The pages for what goes wrong: refusals, stale forms and errors."""

import secrets
from contextlib import suppress

from flask import Flask, abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from peewee import PeeweeException
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, ServiceUnavailable

from app.audit.operations import record
from app.authz import facts
from app.authz.polar.names import wire_name
from app.kernel.outage import is_outage, note_outage
from app.ui.authentication import continue_as_guest, signed_in_person
from app.ui.authorization import RefusedError
from app.ui.current_organisation import acting_organisation
from app.ui.navigation import way_back
from app.ui.officers import officers_of
from app.vocabulary import EventName

_MESSAGES = {
    400: ("This did not work", "What your browser sent could not be understood. Go back and try again."),
    403: ("You cannot do this", "Your account does not allow this."),
    404: ("Page not found", "If you typed the address, check it. If you followed a link, it may be out of date."),
    405: ("This did not work", "This address cannot be used in this way. Go back and try again."),
    413: ("This is too much", "What was sent is too large."),
    429: ("Too many tries", "Wait 15 minutes, then try again."),
    503: (
        "We cannot reach our records",
        "This is our fault, not yours. What you just sent may not have been saved. Try again in a minute.",
    ),
    500: ("Something went wrong", "This is our fault, not yours. Nothing was changed. Try again in a moment."),
}


def init_app(app: Flask) -> None:
    """Give every error its page."""
    app.before_request(_refuse_null_characters)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(Exception, _broken)


def _refuse_null_characters() -> None:
    """Refuse a character that no keyboard types and PostgreSQL cannot store, once for all fields."""
    if request.blueprint == "api":
        # The API reads its bodies itself, because nothing may read them before their limits are checked.
        return
    texts = [request.path, *request.args.values(), *request.form.values()]
    if any("\0" in text for text in texts):
        abort(400)


def refused(refusal: RefusedError) -> ResponseReturnValue:
    """Answer a refusal, and record it."""
    person = signed_in_person()
    with suppress(PeeweeException):
        record(
            EventName.REFUSED,
            by=person.reference if person else "guest",
            subject=_reference(refusal.fact),
            organisation=_organisation_id(refusal.fact),
            action=str(refusal.action),
        )
    if refusal.hidden:
        return _failed(NotFound())
    own = isinstance(refusal.fact, facts.Membership) and refusal.fact.person == g.get("actor")
    return render_template(
        "errors/refused.html", own=own, officers=officers_of(acting_organisation(), besides=g.get("actor"))
    ), 403


def _reference(fact: facts.Fact | None) -> str:
    match fact:
        case facts.Person() | facts.Organisation() | facts.Membership():
            return f"{wire_name(type(fact).__name__)}:{fact.public_id}"
        case facts.Service():
            return f"service:{fact.slug}"
        case None:
            return "unknown"
        case _:
            return wire_name(type(fact).__name__)


def _organisation_id(fact: facts.Fact | None) -> str:
    match fact:
        case facts.Organisation():
            return fact.public_id
        case facts.Membership():
            return fact.organisation.public_id
        case _:
            return ""


def _stale_form(_error: CSRFError) -> ResponseReturnValue:
    if request.endpoint == "signin.sign_out" and signed_in_person() is None:
        g.asked = True
        return redirect(url_for("signin.sign_in"), 303)
    is_guarded = isinstance(getattr(current_app.view_functions.get(request.endpoint or ""), "guard", None), tuple)
    if is_guarded and signed_in_person() is None:
        return render_template("errors/signed_out.html", next=way_back()), 400
    title = "This page is out of date"
    sentence = (
        "It belongs to an earlier sign-in, or was open for too long."
        " Go back, copy what you typed, reload the page and try again."
    )
    return render_template("errors/error.html", title=title, sentence=sentence), 400


def _failed(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if code < 400:
        return error.get_response()
    title, sentence = _MESSAGES.get(code, _MESSAGES[400] if code < 500 else _MESSAGES[500])
    response = error.get_response()
    response.data = render_template("errors/error.html", title=title, sentence=sentence)
    response.content_type = "text/html; charset=utf-8"
    return response


def _broken(error: Exception) -> ResponseReturnValue:
    if is_outage(error):
        return _away(error)
    # The number lets the support desk find the log line without the person describing anything.
    number = secrets.token_hex(4)
    current_app.logger.error("error %s at %s: %s", number, request.endpoint, type(error).__name__, exc_info=error)
    if current_app.testing or current_app.debug:
        raise error
    title, sentence = _MESSAGES[500]
    message = {"title": title, "sentence": f"{sentence} Error number: {number}."}
    try:
        page = render_template("errors/error.html", **message)
    except Exception:  # noqa: BLE001  (the page itself may need what is broken)
        # Every page names the signed-in person, who perhaps cannot be looked up.
        continue_as_guest()
        page = render_template("errors/error.html", **message)
    return page, InternalServerError.code


def _away(error: Exception) -> ResponseReturnValue:
    """Answer with a page for which nothing is looked up."""
    note_outage(error)
    continue_as_guest()
    title, sentence = _MESSAGES[ServiceUnavailable.code]
    page = render_template("errors/error.html", title=title, sentence=sentence)
    return page, ServiceUnavailable.code, {"Retry-After": "60"}
