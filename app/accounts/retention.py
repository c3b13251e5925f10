"""Forgetting what nobody needs of accounts any more: sessions and links for a new password."""

from datetime import UTC, timedelta

from app.accounts.models import PasswordReset, Session
from app.kernel import clock
from app.kernel.database import change

_KEPT = timedelta(days=30)
"""For how long a browser that comes back learns who was signed in there. Sessions themselves end within a day."""
_FORGOTTEN_AT_ONCE = 500


@change
def forget_old() -> int:
    """Delete some of the sessions and links of long ago, and return how many. Records no event.

    What is long ago, the newest of them says as well as the clock, which may be wrong.
    """
    forgotten = 0
    for model, began in ((Session, Session.started_at), (PasswordReset, PasswordReset.created_at)):
        oldest, newest = (
            model.select(began).order_by(order).limit(1).scalar() for order in (model.id, model.id.desc())
        )
        if newest is None:
            continue
        before = min(clock.now(), newest.replace(tzinfo=UTC)) - _KEPT
        # Mostly there is none, and to look through all of them takes long.
        if oldest.replace(tzinfo=UTC) < before:
            old = model.select(model.id).where(began < before).order_by(model.id).limit(_FORGOTTEN_AT_ONCE)
            forgotten += int(model.delete().where(model.id.in_(old)).execute())
    return forgotten
