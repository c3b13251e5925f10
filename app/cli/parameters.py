"""What may be written after an option, refused with a sentence where it cannot be used."""

import re
from typing import Any
from zoneinfo import available_timezones

import click

from app.accounts.addresses import normal_address
from app.kernel.errors import ProblemError
from app.kernel.plain_text import is_plain_line
from app.services import models
from app.services.operations import NewRole


class Line(click.ParamType[str]):
    """One line of text, at most `longest` characters, optionally of a certain form."""

    name = "text"

    def __init__(self, longest: int, *, form: str = r".+", hint: str = "") -> None:
        self.longest = longest
        self.form = re.compile(form)
        self.hint = hint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` without spaces around it."""
        text = str(value).strip()
        if not is_plain_line(text):
            self.fail("Give one line of text, without hidden characters.", param, ctx)
        if len(text) > self.longest:
            self.fail(f"At most {self.longest} characters, please.", param, ctx)
        if not self.form.fullmatch(text):
            self.fail(f"{text!r} cannot be used. {self.hint}", param, ctx)
        return text


class Address(click.ParamType[str]):
    """An e-mail address in normal form."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` in normal form."""
        try:
            return normal_address(str(value))
        except ProblemError as error:
            self.fail(error.sentence, param, ctx)


class TimeZone(click.ParamType[str]):
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` if there is such a zone."""
        if value not in available_timezones():
            self.fail(f"{value!r} is not a time zone such as Europe/London.", param, ctx)
        return str(value)


class RoleOfService(click.ParamType[NewRole]):
    """A role to add with its service: `slug=Name` or `slug=Name: what it lets people do`."""

    name = "slug=name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NewRole:
        """Return the role that `value` describes."""
        slug, _, words = str(value).partition("=")
        role_name, _, sentence = words.partition(": ")
        if not words:
            self.fail("Write a role as teacher=Teacher, or teacher='Teacher: Uploads work.'", param, ctx)
        return NewRole(
            SLUG.convert(slug, param, ctx),
            NAME.convert(role_name, param, ctx),
            SENTENCE.convert(sentence, param, ctx) if sentence else "",
        )


CENTRE_NUMBER = Line(5, form=r"[0-9]{5}", hint="A centre number is five digits.")
KIND = Line(60, form=r"[a-z][a-z0-9_-]*", hint="A type of resource is written in small letters, such as service.")
LAUNCH_ADDRESS = Line(500, form=models.LAUNCH_ADDRESS, hint="A launch address starts with https://.")
NAME = Line(100)
PERSON_NAME = Line(120)
ORGANISATION_NAME = Line(200)
REASON = Line(200)
SENTENCE = Line(200)
SLUG = Line(50, form=r"[a-z0-9]+(-[a-z0-9]+)*", hint="A slug has small letters, digits and hyphens.")
