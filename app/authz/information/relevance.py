"""Which events change what decisions are made of."""

from typing import Final

from app.vocabulary import EventName

IRRELEVANT_EVENTS: Final = frozenset(
    {
        EventName.DECIDING_FAILED,
        EventName.INVITATION_SENT,
        EventName.MAIL_REFUSED,
        EventName.MAIL_SENT,
        EventName.PASSWORD_CHANGED,
        EventName.PASSWORD_RESET_ASKED,
        EventName.REFUSED,
        EventName.SERVICE_OPENED,
        EventName.SESSIONS_ENDED,
        EventName.SESSION_ENDED,
        EventName.SIGNED_IN,
        EventName.SIGN_IN_FAILED,
    }
)
"""Events that change no fact. Any other event that names no particular entry invalidates everything."""
