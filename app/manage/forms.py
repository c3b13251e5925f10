"""The forms with which exams officers add users and change roles."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    SelectMultipleField,
    StringField,
)
from wtforms.widgets import HiddenInput

from app.kernel.plain_text import without_hidden
from app.memberships.models import Grant
from app.memberships.operations import AlreadyMemberError, NewPerson, RoleGiven
from app.memberships.queries import addresses_at, roles_by_address
from app.organisations.models import Organisation
from app.services.models import Role
from app.ui.forms import add_error, address_field, name_field

_LONGEST_REASON = 200
_MOST_PEOPLE = 20
_EARLIEST, _LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""Days outside are typing errors; near the ends of the calendar there is no next midnight to compute."""

Days = tuple[date | None, date | None]
"""A first and a last day, both optional."""


class DayField(DateField):
    """A day, which may be left empty."""

    data: date | None

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Read the day. Raises ValueError, which WTForms keeps as an error of the field."""
        self.data = None
        text = " ".join(valuelist).strip()
        super().process_formdata([text] if text else [])


class RoleForm(Form):
    """A role as a member holds it or not, and as the page showed it.

    What the page showed comes back with the form, because only what differs from it is to be changed.
    """

    held = BooleanField()
    first_day = DayField("First day")
    last_day = DayField("Last day")
    shown = BooleanField(widget=HiddenInput())
    shown_first_day = DayField(widget=HiddenInput())
    shown_last_day = DayField(widget=HiddenInput())

    def __init__(self, formdata: Any, role: Role, grant: Grant | None) -> None:
        days = (grant.first_day, grant.last_day) if grant else (None, None)
        stored = dict(zip(("first_day", "last_day", "shown_first_day", "shown_last_day"), days * 2, strict=True))
        is_held = grant is not None
        # By the slug of the role, never by position: the offered roles may be others when the form comes back.
        super().__init__(formdata, prefix=role.slug, data={"held": is_held, "shown": is_held, **stored})
        self.role = role
        self.is_held = is_held
        """Whether the role is held now, whatever the form says."""
        self.problem = ""
        """What is wrong with the days, as a sentence."""

    @property
    def days(self) -> Days:
        """The days that were typed."""
        return self.first_day.data, self.last_day.data

    @property
    def shown_days(self) -> Days | None:
        """The days that the page showed; None if it did not show the role as held."""
        fields = (self.shown_first_day, self.shown_last_day)
        if not self.shown.data or any(field.process_errors for field in fields):
            return None
        return fields[0].data, fields[1].data

    def has_ended(self, today: date) -> bool:
        """Return whether the last day of a ticked role is over."""
        return bool(self.held.data and not self.problem and self.last_day.data and self.last_day.data < today)

    def validate(self, extra_validators: Any = None) -> bool:  # noqa: ARG002  (WTForms hands it in)
        """Note in `problem` what is wrong with the days, and return whether nothing is."""
        self.problem = self._problem()
        return not self.problem

    def _problem(self) -> str:
        name = self.role.full_name
        first, last = self.days
        is_unreadable = bool(self.first_day.process_errors or self.last_day.process_errors)
        if not self.held.data:
            is_clear = not is_unreadable and self.days in {self.shown_days, (None, None)}
            return "" if is_clear else f"Tick {name} as well, or clear its dates."
        if is_unreadable:
            return f"Enter the dates for {name} as year-month-day, such as 2027-01-31."
        if self.days == self.shown_days:
            return ""
        if any(day and not _EARLIEST <= day <= _LATEST for day in self.days):
            return f"The dates for {name} must be between {_EARLIEST.year} and {_LATEST.year}."
        if first and last and last < first:
            return f"The last day for {name} must not be before its first day."
        return ""


class RolesForm(FlaskForm):
    """The `roles` that may be given to a member and taken away, with the `grants` that are stored now."""

    reason = StringField(
        "Reason (optional)",
        description="For example: covers for a colleague in June.",
        filters=[lambda text: without_hidden(" ".join((text or "").split()))[:_LONGEST_REASON]],
        render_kw={"maxlength": _LONGEST_REASON},
    )

    def __init__(self, roles: Iterable[Role], grants: Iterable[Grant]) -> None:
        super().__init__()
        held = {grant.role.slug: grant for grant in grants}
        formdata = request.form if self.is_submitted() else None
        self.rows = [RoleForm(formdata, role, held.get(role.slug)) for role in roles]

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate every row, so that all problems are shown at once."""
        rows_are_valid = [row.validate() for row in self.rows]
        return bool(super().validate(extra_validators)) and all(rows_are_valid)

    def changes(self) -> tuple[list[RoleGiven], list[Role]]:
        """Return the roles to give, with their days, and the roles to take: what differs from what the page showed.

        A page that was open while a colleague took a role away, or changed its days, does not restore the old state.
        """
        give = [RoleGiven(row.role, *row.days) for row in self.rows if row.held.data and row.days != row.shown_days]
        shown = [row for row in self.rows if row.shown_days is not None]
        return give, [row.role for row in shown if row.is_held and not row.held.data]


class NewUserForm(Form):
    """A person to add."""

    name = name_field("Name", "Enter a name.", autocomplete="off")
    address = address_field(hint="Their own, not a shared one such as exams@.", autocomplete="off")
    # Roles that were not offered are dropped in `new_people`: such a choice is forged, not mistyped.
    roles = SelectMultipleField("What this person may use", default=(), validate_choice=False)


class PeopleField(FieldList):
    """A list of people to add."""

    def _extract_indices(self, prefix: str, formdata: Iterable[str]) -> Iterator[int]:
        """Yield the indices in the names of fields. WTForms itself fails on other digits, such as superscript ones."""
        pattern = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,4}})-")
        return (int(found[1]) for found in map(pattern.match, formdata) if found)


class AddUsersForm(FlaskForm):
    """Several people to add to `organisation`, each with some of the `roles` that are offered.

    It is sent by several buttons: `step` says what to do with it, or `leave_out` is the index of a person.
    """

    step = HiddenField()
    leave_out = IntegerField()
    people = PeopleField(FormField(NewUserForm), min_entries=1, max_entries=_MOST_PEOPLE)

    def __init__(self, organisation: Organisation, roles: Sequence[Role]) -> None:
        super().__init__()
        self.organisation = organisation
        self.offered = roles

    @property
    def is_full(self) -> bool:
        """Whether the form has no room for another person."""
        return len(self.people) >= _MOST_PEOPLE

    def append_person(self) -> None:
        """Add fields for one more person, where the page then puts the focus."""
        if not self.is_full:
            name = self.people.append_entry().form.name
            name.render_kw = {**name.render_kw, "autofocus": True}

    def remove_person(self, index: int) -> None:
        """Remove the fields of a person, unless they are the only ones."""
        if len(self.people) > 1 and 0 <= index < len(self.people):
            self.people.pop_entry(index)

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate each person, and that no address is used twice, here or in the organisation."""
        is_valid = bool(super().validate(extra_validators))
        addresses = [entry.form.address for entry in self.people]
        members = addresses_at(self.organisation, [field.data for field in addresses])
        seen: set[str] = set()
        for index, field in enumerate(addresses):
            if field.data in members:
                self.show_already_member(AlreadyMemberError(index))
            elif field.data in seen and not field.errors:
                add_error(field, "This e-mail address stands above already. Give each person their own.")
            is_valid = is_valid and not field.errors
            seen.add(field.data)
        return is_valid

    def show_already_member(self, problem: AlreadyMemberError) -> None:
        """Put the sentence beside the address that it is about."""
        add_error(self.people[problem.index].form.address, problem.sentence)

    def new_people(self) -> list[NewPerson]:
        """Return the people to add."""
        return [
            NewPerson(
                person.name.data,
                person.address.data,
                [role for role in self.offered if role.slug in person.roles.data],
            )
            for person in (entry.form for entry in self.people)
        ]

    def is_saved_already(self) -> bool:
        """Return whether everybody is a member already, with just these roles, so that saving would change nothing."""
        chosen = {
            (person.address or "").strip().lower(): {role.slug for role in person.roles} for person in self.new_people()
        }
        return chosen == roles_by_address(self.organisation, list(chosen))
