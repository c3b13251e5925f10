"""What every page can use: the menu, the signed-in person, and filters for days and moments."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask

from app.kernel import clock
from app.runtime import settings
from app.ui.authentication import signed_in_person
from app.ui.current_organisation import acting_organisation, is_on_staff
from app.ui.navigation import menu


def init_app(app: Flask) -> None:
    """Add variables and filters for all templates."""
    app.context_processor(_variables)
    app.add_template_filter(clock.in_words, "day")
    app.add_template_filter(_moment, "moment")
    app.add_template_filter(_moment_day, "moment_day")
    app.add_template_filter(clock.today, "today")


def _variables() -> dict[str, Any]:
    return {
        "settings": settings(),
        "menu": menu,
        "acting_organisation": acting_organisation,
        "is_on_staff": is_on_staff,
        "signed_in_person": signed_in_person,
    }


def _moment(moment: datetime, time_zone: str) -> str:
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{clock.in_words(local)}, {local:%H:%M}"


def _moment_day(moment: datetime, time_zone: str) -> str:
    return clock.in_words(moment.astimezone(ZoneInfo(time_zone)))
