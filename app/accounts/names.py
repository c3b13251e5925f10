"""Names of people and organisations in normal form."""

from app.kernel.errors import ProblemError
from app.kernel.plain_text import is_plain_line

LONGEST_NAME = 120


def normal_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return `text` as a name, with single spaces. Raises `ProblemError` when it is not a valid name."""
    name = " ".join(text.split())
    if not name:
        raise ProblemError("Enter a name.", field="name")
    if len(name) > longest:
        raise ProblemError(f"A name has at most {longest} characters here.", field="name")
    if not is_plain_line(name):
        raise ProblemError("This name holds hidden characters. Type it instead of pasting it.", field="name")
    return name
