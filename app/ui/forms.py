"""Fields and errors that several forms share."""

from collections.abc import Callable
from functools import partial

from flask_wtf import FlaskForm
from wtforms import Field, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired

from app.accounts.addresses import normal_address
from app.accounts.names import LONGEST_NAME, normal_name
from app.kernel.errors import ProblemError


def _tidy(text: str | None) -> str:
    return " ".join((text or "").split())


def _normalized_by(normal: Callable[[str], str]) -> Callable[[FlaskForm, StringField], None]:
    """Return a validator that replaces the value by its normal form, or says why it has none."""

    def normalize(_form: FlaskForm, field: StringField) -> None:
        try:
            field.data = normal(field.data or "")
        except ProblemError as problem:
            raise ValidationError(problem.sentence) from problem

    return normalize


def name_field(label: str, question: str, *, longest: int = LONGEST_NAME, **attributes: str) -> StringField:
    """Return a field for a name, by default one's own. `question` is the error when it is empty."""
    return StringField(
        label,
        filters=[_tidy],
        # DataRequired, unlike InputRequired, refuses spaces alone.
        validators=[DataRequired(question), _normalized_by(partial(normal_name, longest=longest))],
        render_kw={"autocomplete": "name", "spellcheck": "false", **attributes},
    )


def address_field(label: str = "E-mail address", *, hint: str = "", **attributes: str) -> StringField:
    """Return a field for an e-mail address, in normal form once validated."""
    return StringField(
        label,
        description=hint,
        validators=[InputRequired("Enter an e-mail address."), _normalized_by(normal_address)],
        render_kw={"type": "email", "autocomplete": "email", "spellcheck": "false", **attributes},
    )


def add_error(field: Field, sentence: str) -> None:
    """Put `sentence` beside a field that has been validated."""
    field.errors = [*field.errors, sentence]


def show_problem(form: FlaskForm, problem: ProblemError) -> None:
    """Put the sentence of an operation's error beside the field that it is about, or above the form."""
    if problem.field and problem.field in form:
        add_error(form[problem.field], problem.sentence)
    else:
        form.form_errors.append(problem.sentence)
