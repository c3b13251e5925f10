"""What an entry of each file in `fixtures/` may say."""

import re
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from app.organisations.models import DEFAULT_TIME_ZONE
from app.vocabulary import MembershipState, OrganisationState, PersonState, ServiceState, StaffRole

_KEBAB = validate.Regexp(r"[a-z0-9]+(-[a-z0-9]+)*\Z", error="Use small letters, digits and hyphens.")
_ROLE = validate.Regexp(r"[a-z0-9-]+:[a-z0-9-]+\Z", error="A role is named SERVICE:ROLE or portal:ROLE.")


class Days(fields.Field[int]):
    """A day counted from today, such as `"+30"` or `"-10"`."""

    def _deserialize(self, value: Any, _attr: str | None, _data: Any, **_: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"[+-]\d{1,4}", value):
            raise self.make_error("validator_failed") from None
        return int(value)

    default_error_messages = {"validator_failed": 'Write days from today as "+30" or "-10".'}  # noqa: RUF012


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
    first_day = Days(load_default=None)
    last_day = Days(load_default=None)
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
    last_sign_in = Days(load_default=None)
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
