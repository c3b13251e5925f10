"""Accounting for what a caller is told, before it is told."""

from app.api.errors import ApiError
from app.audit import decision_log
from app.audit.decision_codec import Item
from app.authz.information.cache import Caller
from app.kernel import clock


def account(client: Caller, revision: int, item: Item) -> str:
    """Log what `client` is about to be answered, and return the id of the answer. Raises `ApiError` 503."""
    try:
        return decision_log.current().write(clock.timestamp(), client.reference, revision, item)
    except decision_log.NotLoggedError:
        raise _not_logged() from None


def account_all(client: Caller, revision: int, items: list[Item]) -> list[str]:
    """Log several answers to one request of `client`, and return their ids. Raises `ApiError` 503."""
    try:
        return decision_log.current().write_all(clock.timestamp(), client.reference, revision, items)
    except decision_log.NotLoggedError:
        raise _not_logged() from None


def _not_logged() -> ApiError:
    return ApiError(
        503,
        "Answers cannot be recorded at the moment, so none is given. Take it as a no, and ask again in a moment.",
        headers={"Retry-After": "1"},
    )
