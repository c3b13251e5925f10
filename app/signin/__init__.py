"""The door: signing in and out, activating, creating an account, choosing a new password."""

from flask import Blueprint

blueprint = Blueprint("signin", __name__)

from app.signin import accounts, reset, sessions  # noqa: E402, F401  (views register themselves on the blueprint)
