"""What an entry of each file in `fixtures/` may say."""

import json
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.organisations.models import DEFAULT_TIME_ZONE
from app.vocabulary import MembershipState, OrganisationState, PersonState, ServiceState, StaffRole

_KEBAB = validate.Regexp(r"[a-z0-9]+(-[a-z0-9]+)*\Z", error="Use small letters, digits and hyphens.")
_ROLE = validate.Regexp(r"[a-z0-9-]+:[a-z0-9-]+\Z", error="A role is named SERVICE:ROLE or portal:ROLE.")
_DAYS = validate.Regexp(r"[+-][0-9]{1,4}\Z", error='Write days from today as "+30" or "-10".')


def _is_json(properties: dict[str, Any]) -> None:
    try:
        text = json.dumps(properties, allow_nan=False)
    except (TypeError, ValueError):
        raise ValidationError("JSON has no such value. Write a date as text.") from None
    if "\\u0000" in text:
        raise ValidationError("Leave the character NUL out.")


class EntrySchema(Schema):
    """What all entries share: what is not declared is a mistake."""

    class Meta:
        unknown = RAISE


class OrganisationEntry(EntrySchema):
    """A school or college."""

    id = fields.String(required=True, validate=_KEBAB)
    centre_number = fields.String(
        required=True, validate=validate.Regexp(r"[0-9]{5}\Z", error="A centre number is five digits, as text.")
    )
    name = fields.String(required=True, validate=validate.Length(1, 200))
    state = fields.Enum(OrganisationState, by_value=True, load_default=OrganisationState.ACTIVE)
    time_zone = fields.String(load_default=DEFAULT_TIME_ZONE)


class RoleEntry(EntrySchema):
    """A role, without the name of its service."""

    slug = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=validate.Length(1, 100))
    sentence = fields.String(required=True, validate=validate.Length(1, 200))
    officers_may_give = fields.Boolean(load_default=True)


class ServiceEntry(EntrySchema):
    """A service with its roles, in the order in which they are shown."""

    slug = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=validate.Length(1, 100))
    sentence = fields.String(required=True, validate=validate.Length(1, 200))
    launch_address = fields.String(required=True, validate=validate.Length(1, 500))
    state = fields.Enum(ServiceState, by_value=True, load_default=ServiceState.LIVE)
    second_factor = fields.Boolean(load_default=False)
    role = fields.List(fields.Nested(RoleEntry), load_default=list)


class DatedEntry(EntrySchema):
    """A grant with a first or a last day."""

    role = fields.String(required=True, validate=_ROLE)
    first_day = fields.String(load_default=None, validate=_DAYS)
    last_day = fields.String(load_default=None, validate=_DAYS)
    reason = fields.String(load_default="", validate=validate.Length(0, 200))


class MembershipEntry(EntrySchema):
    """A place at an organisation with the roles held there."""

    organisation = fields.String(required=True)
    state = fields.Enum(MembershipState, by_value=True, load_default=MembershipState.ACTIVE)
    roles = fields.List(fields.String(validate=_ROLE), load_default=list)
    dated = fields.List(fields.Nested(DatedEntry), load_default=list)


class PersonEntry(EntrySchema):
    """A person with everything that hangs on them."""

    id = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=validate.Length(1, 120))
    email = fields.Email(required=True)
    state = fields.Enum(PersonState, by_value=True, load_default=PersonState.ACTIVE)
    last_sign_in = fields.String(load_default=None, validate=_DAYS)
    properties = fields.Dict(load_default=None, validate=_is_json)
    staff_roles = fields.List(fields.Enum(StaffRole, by_value=True), load_default=list)
    membership = fields.List(fields.Nested(MembershipEntry), load_default=list)


class ClientEntry(EntrySchema):
    """A program with its demo key."""

    id = fields.String(required=True, validate=_KEBAB)
    name = fields.String(required=True, validate=validate.Length(1, 100))
    service = fields.String(load_default=None)
    kinds = fields.List(fields.String(validate=validate.Length(1, 60)), required=True)
    key = fields.String(required=True, validate=validate.Length(8, 200))
    ended = fields.Boolean(load_default=False)


class PackPersonEntry(PersonEntry):
    """A person of a pack, who may have no more than an id, written as the pack's callers write it."""

    # An address is looked up as one.
    id = fields.String(
        required=True, validate=validate.Regexp(r"[^@\s]{1,40}\Z", error="An id has 1 to 40 characters, without @.")
    )
    name = fields.String(load_default=None, validate=validate.Length(1, 120))
    email = fields.Email(load_default=None)


class RecordEntry(EntrySchema):
    """A thing of a kind that only a policy declares."""

    type = fields.String(
        required=True,
        validate=validate.Regexp(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", error="A kind MarkScheme is written mark_scheme."),
    )
    id = fields.String(required=True, validate=validate.Length(1, 200))
    properties = fields.Dict(load_default=dict, validate=_is_json)
