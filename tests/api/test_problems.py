"""Every error of the API has its status in one table, and nothing below the edge knows of statuses."""

from flask import Flask

from app.api import errors
from app.api.problems import PROBLEMS
from app.audit.decision_log import NotLoggedError
from app.authz.information.cache import NotFreshError
from app.kernel.rate_limit import RateLimitedError


def test_every_error_has_a_status() -> None:
    declared = {
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.RequestError) and error is not errors.RequestError
    }
    assert set(PROBLEMS) == declared | {NotFreshError, NotLoggedError, RateLimitedError}
    assert {problem.status for problem in PROBLEMS.values()} <= set(range(400, 600))


def test_every_status_is_described(app: Flask) -> None:
    paths = app.test_client().get("/openapi.json").json["paths"]
    described = {int(status) for path in paths.values() for one in path.values() for status in one["responses"]}
    assert {problem.status for problem in PROBLEMS.values()} <= described
