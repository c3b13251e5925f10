"""Schemas of the entries in fixtures."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from app.organisations.models import DEFAULT_TIME_ZONE
from app.services.models import LAUNCH_ADDRESS
from app.vocabulary import MembershipState, OrganisationState, PersonState, ServiceState, StaffRole

_KEBAB = validate.Regexp(r"[a-z0-9]+(-[a-z0-9]+)*\Z", error="Use small letters, digits and hyphens.")
_ROLE = validate.Regexp(r"[a-z0-9-]+:[a-z0-9-]+\Z", error="A role is named SERVICE:ROLE or portal:ROLE.")
_DAYS = validate.Regexp(r"[+-][0-9]{1,4}\Z", error='Write days from today as "+30" or "-10".')


_LAUNCH_ADDRESS = validate.Regexp(
    rf"(?:{LAUNCH_ADDRESS})\Z", error="A launch address starts with https://, http:// or /."
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LARGEST_INTEGER = 2**53 - 1


def _line(longest: int, shortest: int = 1) -> list[Callable[[str], Any]]:
    """Return the validators of a text on one line, `shortest` to `longest` characters long."""
    return [validate.Length(shortest, longest), _without_control_characters]


def _without_control_characters(value: str) -> None:
    if _CONTROL_CHARACTERS.search(value):
        raise ValidationError("Leave control characters out.")


def _is_json(properties: dict[str, Any]) -> None:
    try:
        text = json.dumps(properties, allow_nan=False)
    except (TypeError, ValueError):
        raise ValidationError("JSON has no such value. Write a date as text.") from None
    if "\\u0000" in text:
        raise ValidationError("Leave the character NUL out.")
    _check_integers(properties)


def _check_integers(value: Any) -> None:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _check_integers(one)
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ValidationError(f"Not every program reads a whole number beyond {_LARGEST_INTEGER}. Write it as text.")


def _is_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name} is not a time zone such as Europe/London.")


def _unique(member: str = "") -> Callable[[Sequence[Any]], None]:
    """Return the validator of a list without duplicates; of a list of tables, by `member`."""
    return lambda entries: _refuse_duplicates([entry[member] if member else entry for entry in entries])


def _refuse_duplicates(names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValidationError(f"{name} appears twice.")


class EntrySchema(Schema):
    """Base of all entries: unknown keys are errors."""

    class Meta:
        unknown = RAISE

    error_messages = {"type": "This is not a table of named values."}  # noqa: RUF012  (marshmallow declares it so)


class OrganisationEntry(EntrySchema):
    """A school or college."""

    id = fields.String(required=True, validate=_KEBAB)
    centre_number = fields.String(
        required=True, validate=validate.Regexp(r"[0-9]{5}\Z", error="A centre number is five digits, as text.")
    )
    name = fields.String(required=True, validate=_line(200))
    state = fields.Enum(OrganisationState, by_value=True, load_default=OrganisationState.ACTIVE)
    time_zone = fields.String(load_default=DEFAULT_TIME_ZONE, validate=_is_time_zone)


class RoleEntry(EntrySchema):
    """A role, without the name of its service."""

    slug = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=_line(100))
    sentence = fields.String(required=True, validate=_line(200))
    officers_may_give = fields.Boolean(load_default=True)


class ServiceEntry(EntrySchema):
    """A service with its roles, in display order."""

    slug = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=_line(100))
    sentence = fields.String(required=True, validate=_line(200))
    launch_address = fields.String(required=True, validate=[*_line(500), _LAUNCH_ADDRESS])
    state = fields.Enum(ServiceState, by_value=True, load_default=ServiceState.LIVE)
    second_factor = fields.Boolean(load_default=False)
    role = fields.List(fields.Nested(RoleEntry), load_default=list, validate=_unique("slug"))


class DatedEntry(EntrySchema):
    """A grant with a first or a last day."""

    role = fields.String(required=True, validate=_ROLE)
    first_day = fields.String(load_default=None, validate=_DAYS)
    last_day = fields.String(load_default=None, validate=_DAYS)
    reason = fields.String(load_default="", validate=_line(200, 0))


class MembershipEntry(EntrySchema):
    """A membership with its roles."""

    organisation = fields.String(required=True)
    state = fields.Enum(MembershipState, by_value=True, load_default=MembershipState.ACTIVE)
    roles = fields.List(fields.String(validate=_ROLE), load_default=list)
    dated = fields.List(fields.Nested(DatedEntry), load_default=list)

    @validates_schema
    def refuse_duplicate_roles(self, data: dict[str, Any], **_options: Any) -> None:
        """Raise ValidationError for a role that is listed twice, with days or without."""
        _refuse_duplicates([*data["roles"], *(dated["role"] for dated in data["dated"])])


class PersonEntry(EntrySchema):
    """A person with memberships and staff roles."""

    id = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=_line(120))
    email = fields.Email(required=True, validate=_line(254))
    state = fields.Enum(PersonState, by_value=True, load_default=PersonState.ACTIVE)
    last_sign_in = fields.String(load_default=None, validate=_DAYS)
    properties = fields.Dict(load_default=None, validate=_is_json)
    staff_roles = fields.List(fields.Enum(StaffRole, by_value=True), load_default=list, validate=_unique())
    membership = fields.List(fields.Nested(MembershipEntry), load_default=list, validate=_unique("organisation"))

    @post_load
    def normalize_address(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Return the person with their address in lower case, in which it is looked up."""
        return data | {"email": data["email"] and data["email"].lower()}


class ClientEntry(EntrySchema):
    """A client with its key."""

    id = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=_line(100))
    service = fields.String(load_default=None)
    kinds = fields.List(fields.String(validate=_line(60)), required=True)
    key = fields.String(required=True, validate=_line(200, 8))
    by_address = fields.Boolean(load_default=False)
    knows_everybody = fields.Boolean(load_default=None)
    person_types = fields.List(fields.String(validate=_line(60)), load_default=list)
    ended = fields.Boolean(load_default=False)


class PackPersonEntry(PersonEntry):
    """A person of a pack. Only the id is required, in the form that the pack's clients use."""

    # A name with @ is looked up as an address.
    id = fields.String(
        required=True,
        validate=[
            validate.Regexp(r"[^@\s]{1,255}\Z", error="An id has 1 to 255 characters, without @."),
            _without_control_characters,
        ],
    )
    name = fields.String(load_default=None, validate=_line(120))
    email = fields.Email(load_default=None, validate=_line(254))


class RecordEntry(EntrySchema):
    """A record of a type that only a policy declares."""

    type = fields.String(
        required=True,
        validate=validate.Regexp(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", error="A kind MarkScheme is written mark_scheme."),
    )
    id = fields.String(required=True, validate=_line(200))
    properties = fields.Dict(load_default=dict, validate=_is_json)
