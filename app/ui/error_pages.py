"""What every page carries (menu, help) and the pages for what goes wrong."""

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from peewee import PeeweeException
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

from app.audit.operations import record
from app.authz import facts
from app.authz.polar.names import wire_name
from app.kernel import clock
from app.runtime import settings
from app.ui.authentication import serve_nobody, signed_in_person
from app.ui.authorization import RefusedError
from app.ui.current_organisation import acting_organisation, is_on_staff
from app.ui.navigation import menu, way_back
from app.ui.officers import officers_of
from app.vocabulary import EventName

_MESSAGES = {
    400: ("This did not work", "What your browser sent could not be understood. Go back and try again."),
    403: ("You cannot do this", "Your account does not allow this."),
    404: ("Page not found", "If you typed the address, check it. If you followed a link, it may be out of date."),
    405: ("This did not work", "This address cannot be used in this way. Go back and try again."),
    413: ("This is too much", "What was sent is too large."),
    429: ("Too many tries", "Wait 15 minutes, then try again."),
    500: ("Something went wrong", "This is our fault, not yours. Nothing was changed. Try again in a moment."),
}


def init_app(app: Flask) -> None:
    """Give every page its surroundings and every error its page."""
    app.context_processor(_surroundings)
    app.add_template_filter(clock.in_words, "day")
    app.add_template_filter(_moment, "moment")
    app.add_template_filter(_moment_day, "moment_day")
    app.add_template_filter(clock.today, "today")
    app.before_request(_refuse_null_characters)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(Exception, _broken)


def _surroundings() -> dict[str, Any]:
    return {
        "settings": settings(),
        "menu": menu,
        "acting_organisation": acting_organisation,
        "is_on_staff": is_on_staff,
        "signed_in_person": signed_in_person,
    }


def _refuse_null_characters() -> None:
    """Refuse what no keyboard types and no PostgreSQL stores, once and for all fields."""
    if request.blueprint == "api":
        # Its bodies are its own business: nothing may read them before the limits are checked.
        return
    texts = [request.path, *request.args.values(), *request.form.values()]
    if any("\0" in text for text in texts):
        abort(400)


def _moment(moment: datetime, time_zone: str) -> str:
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{clock.in_words(local)}, {local:%H:%M}"


def _moment_day(moment: datetime, time_zone: str) -> str:
    return clock.in_words(moment.astimezone(ZoneInfo(time_zone)))


def refused(refusal: RefusedError) -> ResponseReturnValue:
    """Answer whoever may not do something, and write it down."""
    person = signed_in_person()
    with suppress(PeeweeException):
        record(
            EventName.REFUSED,
            by=person.reference if person else "guest",
            subject=_reference(refusal.fact),
            organisation=_place(refusal.fact),
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


def _place(fact: facts.Fact | None) -> str:
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
    # The number lets the support desk find the log line without the person describing anything.
    number = secrets.token_hex(4)
    current_app.logger.error("error %s at %s: %s", number, request.endpoint, type(error).__name__, exc_info=error)
    if current_app.testing or current_app.debug:
        raise error
    title, sentence = _MESSAGES[500]
    told = {"title": title, "sentence": f"{sentence} Error number: {number}."}
    try:
        page = render_template("errors/error.html", **told)
    except Exception:  # noqa: BLE001  (whatever it was that went wrong, it may do so again)
        # The surroundings of the page name who is there, and perhaps nobody can be looked up.
        serve_nobody()
        page = render_template("errors/error.html", **told)
    return page, InternalServerError.code
