"""The surface for signing in and out, creating and activating accounts, and resetting passwords."""

from flask import Blueprint

blueprint = Blueprint("signin", __name__)

from app.signin import accounts, reset, sessions  # noqa: E402, F401  (views register themselves on the blueprint)
