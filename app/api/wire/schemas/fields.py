"""What the schemas of messages are made of, and how the words for what is wrong are found."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

from app.api.errors import InvalidRequestError

_MISSING: dict[str, Any] = {"required": "is missing."}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_CONTROL_CHARACTERS = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""The same for readers of the document, whose patterns are those of JavaScript."""


def loaded(schema: Schema, body: Any) -> Any:
    """Return what `schema` makes of `body`. Raises `InvalidRequestError` that names every member that is wrong."""
    try:
        return schema.load(body)
    except ValidationError as error:
        sentences = [f"{name} {message}" for name, message in _problems(error.messages_dict)]
        raise InvalidRequestError(" ".join(sentences)) from error


def _problems(messages: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, problem in messages.items():
        # An error of an object as a whole has a name of marshmallow's own.
        path = within if name == "_schema" else f"{within}.{name}" if within else name
        if isinstance(problem, Mapping):
            yield from _problems(problem, path)
        else:
            yield path, problem[0]


def text(longest: int, description: str, *, required: bool = True, shortest: int = 1, **more: Any) -> fields.String:
    """Return a field that holds a text of at most `longest` characters."""
    return fields.String(
        required=required,
        allow_none=not required,
        validate=[
            validate.Length(shortest, longest, error=f"must have {shortest} to {longest} characters."),
            _without_control_characters,
        ],
        error_messages={**_MISSING, "invalid": "must be a string."},
        metadata={"description": description, "pattern": _NO_CONTROL_CHARACTERS, **more},
    )


def _without_control_characters(value: str) -> None:
    if _CONTROL_CHARACTERS.search(value):
        raise ValidationError("must not contain control characters.")


class _WholeNumber(fields.Integer):
    """A whole number, however it is written: to JSON, 1.0 is one too."""

    def _validated(self, value: Any) -> int:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


def whole_number(largest: int, description: str) -> fields.Integer:
    """Return a field that holds a number from 0, and need not be there."""
    return _WholeNumber(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, largest, error=f"must be from 0 to {largest}."),
        error_messages={"invalid": "must be a whole number."},
        metadata={"description": description},
    )


class Read(NamedTuple):
    """A part of a message that was read before, with its field: what it is, or what is wrong with it."""

    value: Any
    problem: ValidationError | None = None


def read_part(field: "fields.Field[Any]", value: Any) -> Read:
    """Read a part that several messages have in common, to be put into each of them."""
    try:
        return Read(field.deserialize(value))
    except ValidationError as problem:
        return Read(None, problem)


class _Part(fields.Nested):
    """An object within a message."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, Read):
            return super()._deserialize(value, *args, **kwargs)
        if value.problem is not None:
            raise value.problem
        return value.value


def part(schema: type[Schema], description: str, *, required: bool = True) -> fields.Nested:
    """Return a field that holds an object."""
    return _Part(
        schema,
        required=required,
        allow_none=not required,
        error_messages=_MISSING,
        metadata={"description": description},
    )


def open_object(description: str, *, required: bool = False) -> fields.Dict:
    """Return a field that holds an object with any members."""
    return fields.Dict(
        required=required,
        allow_none=not required,
        error_messages={**_MISSING, "invalid": "must be an object."},
        metadata={"description": description},
    )


class InputSchema(Schema):
    """What a caller sends: unknown members are ignored, as AuthZEN has it, and null is as absent."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be an object."}  # noqa: RUF012  (marshmallow declares it as an instance variable)

    @pre_load
    def leave_out_nulls(self, data: Any, **_options: Any) -> Any:
        """Take null for absent; anything but an object is left for the type check."""
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or name not in self.fields}
