"""The one table from errors to HTTP: the status and the headers of the answer, and its message where we choose it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.api.errors import (
    CompressedBodyError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    NotPermittedError,
    QuotaExceededError,
    RecordTooLargeError,
    TimedOutError,
    TooLargeError,
    UnauthenticatedError,
    UndecidedError,
    UnknownResourceError,
)
from app.audit.decision_log import NotLoggedError
from app.authz.information.cache import NotFreshError
from app.kernel.outage import is_outage
from app.kernel.rate_limit import RateLimitedError

_NONE: Mapping[str, str] = MappingProxyType({})
# The rest of a body that was not read would be taken for the next request, so the server closes the connection.
_CLOSE = MappingProxyType({"Connection": "close"})
_SOON = MappingProxyType({"Retry-After": "1"})
_BEARER = MappingProxyType({"WWW-Authenticate": "Bearer"})


class Problem(NamedTuple):
    """How an error is answered; `message` is empty where the error brings its own."""

    status: int
    headers: Mapping[str, str] = _NONE
    message: str = ""


PROBLEMS: Mapping[type[Exception], Problem] = MappingProxyType(
    {
        InvalidRequestError: Problem(400),
        CompressedBodyError: Problem(415),
        UnauthenticatedError: Problem(401, _BEARER),
        NotPermittedError: Problem(403),
        NotFoundError: Problem(404),
        UnknownResourceError: Problem(404),
        MethodNotAllowedError: Problem(405),
        RecordTooLargeError: Problem(413),
        TooLargeError: Problem(413, _CLOSE),
        QuotaExceededError: Problem(409),
        RateLimitedError: Problem(429),
        UndecidedError: Problem(500),
        TimedOutError: Problem(503, _SOON),
        NotFreshError: Problem(
            503,
            _SOON,
            "The revision that you want is not known here. Take it as a no, and go on with a later revision.",
        ),
        NotLoggedError: Problem(
            503,
            _SOON,
            "Answers cannot be recorded at the moment, so none is given. Take it as a no, and ask again in a moment.",
        ),
    }
)


_AWAY = Problem(
    503,
    _SOON,
    "The directory cannot be read at the moment, so no answer is given. Take it as a no, and ask again soon.",
)


def problem_of(error: Exception) -> Problem | None:
    """Return how `error` is answered; None for one that was not expected."""
    problem = _AWAY if is_outage(error) else PROBLEMS.get(type(error))
    if problem is None:
        return None
    headers = problem.headers
    if isinstance(error, MethodNotAllowedError):
        headers = {"Allow": error.allowed}
    elif isinstance(error, RateLimitedError):
        headers = {"Retry-After": str(error.seconds)}
    return Problem(problem.status, headers, problem.message or str(error))
